import { afterEach, expect, test } from "vitest";
import { LANGUAGES, languageFor, pieces, speak, t } from "../../src/words";
import { en } from "../../src/words/en";
import { type Message, filled } from "../../src/words/message";

afterEach(() => speak(LANGUAGES[0]!));

const files: Message = { one: "{count} file of {name}", other: "{count} files of {name}" };

test("the plural form is the language's own, and so are its numbers", () => {
  expect(filled(files, { count: 1, name: "x" }, "en")).toBe("1 file of x");
  expect(filled(files, { count: 1234, name: "x" }, "en")).toBe("1,234 files of x");
  const polish: Message = { one: "plik", few: "pliki", many: "plików", other: "pliku" };
  expect([1, 3, 5].map((count) => filled(polish, { count }, "pl"))).toEqual(["plik", "pliki", "plików"]);
  expect(filled({ other: "{count} Dateien" }, { count: 1234 }, "de")).toBe("1.234 Dateien");
});

test("braces without a value stay, texts are not read again for braces", () => {
  expect(filled("{name} and {other}", { name: "{other}" }, "en")).toBe("{other} and {other}");
});

test("speaking another language changes what is said", async () => {
  const german = LANGUAGES.find(({ code }) => code === "de")!;
  speak(german, await german.load!());
  expect(t("shell.open-file")).toBe("Datei öffnen");
  expect(pieces("actions.language")).toEqual(["Sprache: ", { name: "name" }]);
});

test("the chosen language, else the browser's first that there is, else English", () => {
  expect(languageFor("ja", ["de-AT"]).code).toBe("ja");
  expect(languageFor(undefined, ["fr-FR", "de-AT", "en"]).code).toBe("de");
  expect(languageFor("tlh", ["fr"]).code).toBe("en");
});

/** Names between braces, each once. */
function names(message: Message): string[] {
  const texts = typeof message === "string" ? [message] : Object.values(message);
  return [...new Set(texts.flatMap((text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!)))].sort();
}

test.each(LANGUAGES.flatMap(({ code, load }) => (load ? [{ code, load }] : [])))("$code has every key of English, no other, and the same values", async ({ code, load }) => {
  const words: Readonly<Record<string, Message>> = await load();
  expect(Object.keys(words).sort()).toEqual(Object.keys(en).sort());
  for (const [key, message] of Object.entries<Message>(en)) {
    const other = words[key]!;
    const wanted = names(message).filter((name) => name !== "count");
    expect([key, names(other).filter((name) => name !== "count")]).toEqual([key, wanted]);
    expect([key, typeof other]).toEqual([key, typeof message]);
    if (typeof other === "string") expect([key, other.trim() !== ""]).toEqual([key, true]);
    else for (const form of new Intl.PluralRules(code).resolvedOptions().pluralCategories) expect([key, form, form in other]).toEqual([key, form, true]);
  }
});
