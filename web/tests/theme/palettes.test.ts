import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { PaletteError, ROLES, type Role, contrast, readColours, weakWords, writeColours } from "../../src/theme/palettes";

const css = readFileSync(fileURLToPath(new URL("../../src/theme/tokens.css", import.meta.url)), "utf8");

/** Colours of a theme as the style sheet has them. */
function themed(name: string): (role: Role) => string {
  const block = new RegExp(`data-theme="${name}"\\] \\{([^}]*)`).exec(css)?.[1] ?? "";
  return (role) => new RegExp(`--${role}: (#[0-9a-f]+);`).exec(block)?.[1] ?? "";
}

test("a file says what was saved, and short colours are made long", () => {
  const sea = { name: "Sea", base: "light", roles: { accent: "#58c4dd", text: "#001122" } } as const;
  expect(readColours(writeColours(sea))).toEqual(sea);
  expect(readColours('{"roles": {"accent": "#ABC"}}').roles.accent).toBe("#aabbcc");
});

test.each(["[]", "{}", '{"roles": {"nothing": "#ffffff"}}', '{"roles": {"accent": "red; background: url(x)"}}', '{"roles": {"accent": 7}}'])("%s is refused", (text) => {
  expect(() => readColours(text)).toThrow(PaletteError);
});

test("contrast is that of WCAG", () => {
  expect(contrast("#000000", "#ffffff")).toBeCloseTo(21, 5);
  expect(contrast("#777777", "#ffffff")).toBeCloseTo(4.48, 2);
});

test.each(["dark", "light"])("the %s theme has every role, and words that can be read", (name) => {
  const colour = themed(name);
  expect(ROLES.filter((role) => colour(role) === "")).toEqual([]);
  expect(weakWords(colour)).toEqual([]);
  expect(weakWords((role) => (role === "soft" ? "#808080" : colour(role))).length).toBeGreaterThan(0);
});
