import { describe, expect, test } from "vitest";
import type { FloatWidget, IntWidget } from "../../src/graph";
import { amount, calculate, fitted, format, shownRange, stepped } from "../../src/widgets/numbers";

const seed: IntWidget = { kind: "int", default: 0, min: 0, max: 2n ** 64n - 1n, step: 1, control: "randomize" };
const steps: IntWidget = { kind: "int", default: 20, min: 1, max: 10_000, step: 1 };
const width: IntWidget = { kind: "int", default: 512, min: 16, max: 16_384, step: 8 };
const denoise: FloatWidget = { kind: "float", default: 1, min: 0, max: 1, step: 0.01, round: 0 };

describe("what is typed", () => {
  test.each([
    ["12", 12],
    ["82 745 119", 82_745_119],
    ["512*1.5", 768],
    ["(1 + 2) * -3", -9],
    ["2^3", 8],
    ["1e3/4", 250],
    ["18446744073709551615", 18446744073709551615n],
  ])("%s is a number", (text, value) => expect(calculate(text)).toBe(value));

  test.each(["", "x", "1+", "(2", "1/0", "alert(1)"])("%j is none", (text) => expect(calculate(text)).toBeUndefined());
});

test("a value stays in its range, the largest seed exact", () => {
  expect(fitted(2n ** 70n, seed)).toBe(2n ** 64n - 1n);
  expect(stepped(2n ** 64n - 2n, 1, seed)).toBe(2n ** 64n - 1n);
  expect(fitted(1.4, denoise)).toBe(1);
  expect(stepped(0.1, 2, denoise)).toBe(0.12);
});

test("a step across the largest number that a double tells apart loses no digit", () => {
  const edge = Number.MAX_SAFE_INTEGER;
  expect(stepped(edge, 1, seed)).toBe(2n ** 53n);
  expect(stepped(edge, 2, seed)).toBe(2n ** 53n + 1n);
  expect(stepped(2n ** 53n, -1, seed)).toBe(edge);
  expect(stepped(0, -1, seed)).toBe(0);
});

test("a number in a text is read exactly", () => {
  expect(amount("18446744073709551615", seed)).toBe(18446744073709551615n);
  expect(amount(" 42 ", seed)).toBe(42);
  expect(amount("0.5", denoise)).toBe(0.5);
  expect(amount("", seed)).toBe(0);
  expect(amount("x", seed)).toBe(0);
});

test("numbers are shown as they are read", () => {
  expect(format(1, denoise)).toBe("1.00");
  expect(format(0.125, denoise)).toBe("0.125");
  expect(format(82_745_119, seed)).toBe("82\u2009745\u2009119");
  expect(format(1024, width)).toBe("1024");
});

test("a fill is shown where a place in the range says something", () => {
  expect(shownRange(denoise)).toEqual([0, 1]);
  expect(shownRange(steps)).toEqual([1, 100]);
  expect(shownRange(width)).toBeUndefined();
  expect(shownRange(seed)).toBeUndefined();
});
