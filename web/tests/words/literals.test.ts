import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { literalsOfComponent, literalsOfModule } from "./literals";

const src = fileURLToPath(new URL("../../src", import.meta.url));

test("the checker sees texts in markup, attributes, expressions and modules", () => {
  expect(literalsOfComponent(`<b title="Close it">Open</b>`)).toEqual(["1: Close it", "1: Open"]);
  expect(literalsOfComponent(`<b class="big one" aria-label={open ? "close" : t("x.y")}>{t("a.b", { name: "Cut off" })}</b>`)).toEqual(["1: close", "1: Cut off"]);
  expect(literalsOfModule('const a = { label: "Add a node", id: "add-node" };\nconst b = `${n} of them all`;')).toEqual(["1: Add a node", "2: of them all"]);
});

test("no text for people stands outside of the catalogues", { timeout: 120_000 }, () => {
  // Scripts of packs look for the field's English names, and their faults are told in the console: none of it is the canvas speaking.
  const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => /\.(ts|svelte)$/.test(file) && !file.startsWith("words") && !file.startsWith("extensions"));
  const found = files.flatMap((file) => {
    const source = readFileSync(join(src, file), "utf8");
    return (file.endsWith(".ts") ? literalsOfModule(source) : literalsOfComponent(source)).map((line) => `${file}:${line}`);
  });
  expect(found).toEqual([]);
});
