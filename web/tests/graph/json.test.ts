import fc from "fast-check";
import { expect, test } from "vitest";
import { JsonError, parseJson, stringifyJson } from "../../src/graph";

test("whole numbers beyond 2^53 keep every digit", () => {
  expect(parseJson('{"seed": 18446744073709551615, "small": 9007199254740991, "float": 1e300}')).toEqual({
    seed: 18446744073709551615n,
    small: 9007199254740991,
    float: 1e300,
  });
  expect(stringifyJson({ seed: 18446744073709551615n })).toBe('{"seed":18446744073709551615}');
});

test("a double beyond 2^53 stays a double", () => {
  expect(parseJson(stringifyJson([1e20, -(2 ** 60)]))).toEqual([1e20, -(2 ** 60)]);
});

test("NaN and Infinity are read, and written as null", () => {
  const value = parseJson('[NaN, -Infinity, Infinity, "NaN"]');
  expect(value).toEqual([Number.NaN, -Infinity, Infinity, "NaN"]);
  expect(stringifyJson(value)).toBe('[null,null,null,"NaN"]');
});

test.each(["", "{", "[1,]", '{"a" 1}', "[1] 2", "nul", '"\n"', "[NaN", '{"a":1,}', "-"])("%j is no JSON", (text) => {
  expect(() => parseJson(text)).toThrow(JsonError);
});

test("an error names the line", () => {
  expect(() => parseJson('{\n"a": 1,\n"b" 2}')).toThrow("line 3");
});

test("a key named __proto__ is a key like any other", () => {
  const value = parseJson('{"__proto__": {"polluted": 1}}');
  expect(Object.keys(value as object)).toEqual(["__proto__"]);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

test("depth has an end, and it is no crash", () => {
  expect(() => parseJson(`${"[".repeat(100000)}NaN`)).toThrow(JsonError);
});

test("what is written is read as it was, on one line or many", () => {
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.constantFrom(0, 2),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 70n }),
      (value, indent, big) => {
        const whole = { value: JSON.parse(JSON.stringify(value)), big };
        expect(parseJson(stringifyJson(whole, indent))).toEqual(whole);
      },
    ),
  );
});
