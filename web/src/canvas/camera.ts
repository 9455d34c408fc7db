/** Between the graph's units and the screen's pixels. Screen points count from the canvas's top left corner. */
import type { Camera, Point, Rect } from "../graph";

export const LEAST_SCALE = 0.02;
export const MOST_SCALE = 3;

export function toGraph({ offset, scale }: Camera, [x, y]: Point): Point {
  return [x / scale - offset[0], y / scale - offset[1]];
}

export function toScreen({ offset, scale }: Camera, [x, y]: Point): Point {
  return [(x + offset[0]) * scale, (y + offset[1]) * scale];
}

/** Moved by screen pixels. */
export function panned(camera: Camera, dx: number, dy: number): Camera {
  const [x, y] = camera.offset;
  return { ...camera, offset: [x + dx / camera.scale, y + dy / camera.scale] };
}

/** Scaled so that what is under the screen point `at` stays there. */
export function zoomed(camera: Camera, factor: number, at: Point): Camera {
  const scale = Math.min(MOST_SCALE, Math.max(LEAST_SCALE, camera.scale * factor));
  const [x, y] = toGraph(camera, at);
  return { scale, offset: [at[0] / scale - x, at[1] / scale - y] };
}

/** What a canvas of `size` pixels shows, in graph units. */
export function seen({ offset, scale }: Camera, [width, height]: Point): Rect {
  return [-offset[0], -offset[1], width / scale, height / scale];
}

/** Screen pixels that stay free at the sides, and at the foot, where the map lies. */
const SIDES = 48;
const FOOT = 110;

/** Shows all of `bounds`, never larger than life. */
export function fitting(bounds: Rect, [width, height]: Point): Camera {
  const [x, y, w, h] = bounds;
  const wanted = Math.min((width - 2 * SIDES) / Math.max(1, w), (height - SIDES - FOOT) / Math.max(1, h), 1);
  const scale = Math.max(LEAST_SCALE, wanted);
  return { scale, offset: [width / scale / 2 - x - w / 2, (height - FOOT + SIDES) / scale / 2 - y - h / 2] };
}

export function overlaps([ax, ay, aw, ah]: Rect, [bx, by, bw, bh]: Rect): boolean {
  return ax < bx + bw && bx < ax + aw && ay < by + bh && by < ay + ah;
}

export function holds([x, y, w, h]: Rect, [px, py]: Point): boolean {
  return px >= x && px <= x + w && py >= y && py <= y + h;
}

/** The rectangle between two corners, in any order. */
export function between([ax, ay]: Point, [bx, by]: Point): Rect {
  return [Math.min(ax, bx), Math.min(ay, by), Math.abs(ax - bx), Math.abs(ay - by)];
}
