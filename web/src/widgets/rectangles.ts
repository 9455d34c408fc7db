/** A rectangle as a value: `{ x, y, width, height }` in pixels, or a list of the four. */
import { type JsonValue, type Rect, isArray, isObject } from "../graph";

export function rectangleOf(value: JsonValue): Rect {
  const four = isArray(value) ? value : isObject(value) ? [value.x, value.y, value.width, value.height] : [];
  const [x, y, width, height] = [0, 1, 2, 3].map((at) => (typeof four[at] === "number" ? four[at] : 0));
  return [x ?? 0, y ?? 0, width ?? 0, height ?? 0];
}

/** The value with another rectangle: in the shape that it had, and with all else that it said. */
export function withRectangle(value: JsonValue, [x, y, width, height]: Rect): JsonValue {
  if (isArray(value)) return [x, y, width, height, ...value.slice(4)];
  return { ...(isObject(value) && value), x, y, width, height };
}
