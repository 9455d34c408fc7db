/** A frame on a picture, in whole pixels: carried, drawn larger and smaller by its corners and sides, held to a shape. */
import type { Point, Rect } from "../graph";

/** Which sides a handle takes along: -1 left or top, 1 right or bottom, 0 none. */
export type Handle = readonly [-1 | 0 | 1, -1 | 0 | 1];

export const HANDLES: readonly Handle[] = [[-1, -1], [0, -1], [1, -1], [1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0]];

/** Carried, as far as the picture goes. */
export function carried([x, y, width, height]: Rect, [dx, dy]: Point, [across, down]: Point): Rect {
  return [clamp(Math.round(x + dx), 0, across - width), clamp(Math.round(y + dy), 0, down - height), width, height];
}

/**
 * Drawn by a handle to a point; what lies opposite stays.
 * @param shape width by height that is kept; undefined: any.
 */
export function drawnTo([x, y, width, height]: Rect, [hx, hy]: Handle, [px, py]: Point, [across, down]: Point, shape: number | undefined): Rect {
  const [fixedX, fixedY] = [hx < 0 ? x + width : x, hy < 0 ? y + height : y];
  let wide = hx === 0 ? width : Math.max(1, (px - fixedX) * hx);
  let high = hy === 0 ? height : Math.max(1, (py - fixedY) * hy);
  const [roomX, roomY] = [hx < 0 ? fixedX : across - fixedX, hy < 0 ? fixedY : down - fixedY];
  if (shape !== undefined) {
    if (hx === 0) wide = high * shape;
    else if (hy === 0 || wide / shape >= high) high = wide / shape;
    else wide = high * shape;
    const less = Math.min(1, roomX / wide, roomY / high);
    [wide, high] = [wide * less, high * less];
  }
  const [w, h] = [clamp(Math.round(wide), 1, roomX), clamp(Math.round(high), 1, roomY)];
  return [hx < 0 ? fixedX - w : fixedX, hy < 0 ? fixedY - h : fixedY, w, h];
}

/** The largest frame of a shape within another one, about its middle. */
export function shapedTo([x, y, width, height]: Rect, shape: number): Rect {
  const [w, h] = width / height > shape ? [Math.max(1, Math.round(height * shape)), height] : [width, Math.max(1, Math.round(width / shape))];
  return [Math.round(x + (width - w) / 2), Math.round(y + (height - h) / 2), w, h];
}

/** Sides a multiple of so many pixels, as models want them; never larger than it was. */
export function rounded([x, y, width, height]: Rect, step: number): Rect {
  const less = (side: number): number => (side < step ? side : side - (side % step));
  return [x, y, less(width), less(height)];
}

/** A frame that was typed, brought into the picture. */
export function within([x, y, width, height]: Rect, [across, down]: Point): Rect {
  const [left, top] = [clamp(Math.round(x), 0, across - 1), clamp(Math.round(y), 0, down - 1)];
  return [left, top, clamp(Math.round(width), 1, across - left), clamp(Math.round(height), 1, down - top)];
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}
