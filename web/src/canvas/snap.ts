/** Lining up while dragging: edges and middles of what is carried stick to those of nodes in sight. */
import type { Point, Rect } from "../graph";

/** A line on which things lie, from end to end, in graph units. `axis` 0: it runs down. */
export interface Guide {
  readonly axis: 0 | 1;
  readonly at: number;
  readonly from: number;
  readonly to: number;
}

export interface Snap {
  readonly by: Point;
  readonly guides: readonly Guide[];
}

/** @param by how far the pointer has carried `held`. @param reach within which edges stick, in graph units. */
export function snapped(held: Rect, by: Point, others: readonly Rect[], reach: number): Snap {
  const [x, y] = [stick(held, by, others, 0, reach), stick(held, by, others, 1, reach)];
  const moved: Point = [by[0] + (x?.by ?? 0), by[1] + (y?.by ?? 0)];
  const rect: Rect = [held[0] + moved[0], held[1] + moved[1], held[2], held[3]];
  const guides = ([0, 1] as const).flatMap((axis) => {
    const found = axis === 0 ? x : y;
    return found ? [guide(rect, found.at, found.rects, axis)] : [];
  });
  return { by: moved, guides };
}

/** To a grid, as seen: the top left corner falls on it. */
export function snappedToGrid(held: Rect, by: Point, step: number): Point {
  const onto = (start: number, way: number): number => Math.round((start + way) / step) * step - start;
  return [onto(held[0], by[0]), onto(held[1], by[1])];
}

interface Stuck {
  readonly by: number;
  readonly at: number;
  readonly rects: readonly Rect[];
}

function stick(held: Rect, by: Point, others: readonly Rect[], axis: 0 | 1, reach: number): Stuck | undefined {
  const own = marks(held, axis).map((mark) => mark + by[axis]);
  let best: { by: number; at: number } | undefined;
  for (const other of others) {
    for (const [index, mark] of marks(other, axis).entries()) {
      for (const [place, one] of own.entries()) {
        if ((place === 1) !== (index === 1)) continue; // middles to middles, edges to edges
        const away = mark - one;
        if (Math.abs(away) <= reach && (!best || Math.abs(away) < Math.abs(best.by))) best = { by: away, at: mark };
      }
    }
  }
  if (!best) return undefined;
  const { at } = best;
  return { ...best, rects: others.filter((other) => marks(other, axis).some((mark) => Math.abs(mark - at) < 0.5)) };
}

/** Near edge, middle, far edge. */
function marks(rect: Rect, axis: 0 | 1): [number, number, number] {
  const size = rect[axis + 2] ?? 0;
  return [rect[axis], rect[axis] + size / 2, rect[axis] + size];
}

function guide(rect: Rect, at: number, others: readonly Rect[], axis: 0 | 1): Guide {
  const across = axis === 0 ? 1 : 0;
  const all = [rect, ...others];
  return { axis, at, from: Math.min(...all.map((each) => each[across])), to: Math.max(...all.map((each) => each[across] + (each[across + 2] ?? 0))) };
}
