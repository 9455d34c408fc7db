/** Curves as values, and the path that shows them. */
import { describe, expect, test } from "vitest";
import { STRAIGHT, added, curveOf, moved, pathOf, removed, withCurve } from "../../src/widgets/curves";

describe("a curve", () => {
  test("is read from pairs and from objects, and written in the shape that it had", () => {
    const points = [[0, 0.2], [0.5, 0.9], [1, 1]] as const;
    const shapes = [points, { points, kind: "smooth" }, { points: points.map(([x, y]) => ({ x, y })) }];
    for (const shape of shapes) {
      const value = JSON.parse(JSON.stringify(shape));
      expect(curveOf(value)).toEqual(points);
      expect(withCurve(value, curveOf(value))).toEqual(value);
    }
    expect(curveOf(null)).toEqual(STRAIGHT);
    expect(curveOf([[0.5, 0.5]])).toEqual(STRAIGHT);
    expect(curveOf([[1, 0], [0, 1]])).toEqual([[0, 1], [1, 0]]);
  });

  test("gains points where there are none, keeps their order, and keeps two", () => {
    const more = added(STRAIGHT, [0.25, 2]);
    expect(more).toEqual({ curve: [[0, 0], [0.25, 1], [1, 1]], at: 1 });
    expect(added(more?.curve ?? STRAIGHT, [0.2501, 0])).toBeUndefined();
    const far = moved(more?.curve ?? STRAIGHT, 1, [5, -5]);
    expect(far[1]?.[0]).toBeLessThan(1);
    expect(far[1]?.[1]).toBe(0);
    expect(removed(far, 1)).toEqual(STRAIGHT);
    expect(removed(STRAIGHT, 0)).toEqual(STRAIGHT);
  });

  test("is drawn without swinging beyond its points", () => {
    const heights = [...pathOf([[0, 0], [0.1, 0.95], [0.5, 1], [0.6, 0.1], [1, 0.1]], 100, 100).matchAll(/,(-?[\d.]+)/g)].map((match) => Number(match[1]));
    expect(Math.min(...heights)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...heights)).toBeLessThanOrEqual(100);
    expect(pathOf(STRAIGHT, 30, 30)).toBe("M0.00,30.00 L0.00,30.00 C10.00,20.00 20.00,10.00 30.00,0.00 L30.00,0.00");
  });
});
