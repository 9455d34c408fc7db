/** A curve as points from left to right, both ways 0 to 1. Files hold a list of pairs, or an object with such a list as `points`. */
import { type JsonValue, type Point, isArray, isObject } from "../graph";

export type Curve = readonly Point[];

export const STRAIGHT: Curve = [[0, 0], [1, 1]];
/** Points never come nearer to each other than this, so that a curve stays one. */
const APART = 0.004;

/** What a value holds; a straight line where it holds no curve. */
export function curveOf(value: JsonValue): Curve {
  const listed = isObject(value) ? value.points : value;
  const points = (isArray(listed) ? listed : []).flatMap((pair): Point[] => {
    const [x, y] = isArray(pair) ? pair : isObject(pair) ? [pair.x, pair.y] : [];
    return typeof x === "number" && typeof y === "number" ? [[x, y]] : [];
  });
  return points.length > 1 ? points.toSorted((a, b) => a[0] - b[0]) : STRAIGHT;
}

/** The value with other points: in the shape that it had, and with all else that it said. */
export function withCurve(value: JsonValue, curve: Curve): JsonValue {
  const points = curve.map(([x, y]) => [rounded(x), rounded(y)]);
  if (!isObject(value)) return points;
  const first = isArray(value.points) ? value.points[0] : undefined;
  return { ...value, points: isObject(first) ? points.map(([x = 0, y = 0]) => ({ x, y })) : points };
}

/** @returns the curve with one point more, and which it is; undefined where one is already. */
export function added(curve: Curve, [x, y]: Point): { readonly curve: Curve; readonly at: number } | undefined {
  const at = curve.findIndex((point) => point[0] > x);
  const place = at < 0 ? curve.length : at;
  if ([curve[place - 1], curve[place]].some((near) => near && Math.abs(near[0] - x) < APART)) return undefined;
  return { curve: curve.toSpliced(place, 0, [clamp(x, 0, 1), clamp(y, 0, 1)]), at: place };
}

/** One point elsewhere, between its neighbours. */
export function moved(curve: Curve, at: number, [x, y]: Point): Curve {
  const [left, right] = [curve[at - 1], curve[at + 1]];
  return curve.with(at, [clamp(x, left ? left[0] + APART : 0, right ? right[0] - APART : 1), clamp(y, 0, 1)]);
}

/** Two stay. */
export function removed(curve: Curve, at: number): Curve {
  return curve.length > 2 ? curve.toSpliced(at, 1) : curve;
}

/**
 * As a path that passes all points and never swings beyond them, in a box of so many pixels, y upwards.
 * Source: F. N. Fritsch, R. E. Carlson, "Monotone Piecewise Cubic Interpolation" (1980).
 */
export function pathOf(curve: Curve, width: number, height: number): string {
  const slopes = tangents(curve);
  const place = (x: number, y: number): string => `${(x * width).toFixed(2)},${((1 - y) * height).toFixed(2)}`;
  const [first = [0, 0], last = [1, 1]] = [curve[0], curve.at(-1)];
  let path = `M${place(0, first[1])} L${place(first[0], first[1])}`;
  for (let at = 1; at < curve.length; at += 1) {
    const [[x0, y0], [x1, y1]] = [curve[at - 1] ?? first, curve[at] ?? last];
    const third = (x1 - x0) / 3;
    path += ` C${place(x0 + third, y0 + third * (slopes[at - 1] ?? 0))} ${place(x1 - third, y1 - third * (slopes[at] ?? 0))} ${place(x1, y1)}`;
  }
  return `${path} L${place(1, last[1])}`;
}

function tangents(curve: Curve): number[] {
  const steps = curve.slice(1).map(([x, y], at) => (y - (curve[at]?.[1] ?? 0)) / Math.max(1e-9, x - (curve[at]?.[0] ?? 0)));
  const slopes = curve.map((_, at) => {
    const [before, after] = [steps[at - 1], steps[at]];
    if (before === undefined || after === undefined) return before ?? after ?? 0;
    return before * after <= 0 ? 0 : (before + after) / 2;
  });
  steps.forEach((step, at) => {
    const [a, b] = step === 0 ? [0, 0] : [(slopes[at] ?? 0) / step, (slopes[at + 1] ?? 0) / step];
    const far = Math.hypot(a, b);
    if (step !== 0 && far <= 3) return;
    slopes[at] = step === 0 ? 0 : (3 / far) * a * step;
    slopes[at + 1] = step === 0 ? 0 : (3 / far) * b * step;
  });
  return slopes;
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}

function rounded(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
