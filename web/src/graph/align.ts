/** Lining nodes up by their edges, and giving them even distances. */
import type { NodeId, Point, Rect } from "./types";

export type Edge = "left" | "right" | "top" | "bottom" | "across" | "down";
/** A node as it is seen: its whole box, title included. */
export type Seen = readonly [id: NodeId, box: Rect];

/** @returns where the top left corners of the boxes go. `across`, `down`: even gaps between the outermost two, or one beside the other where there is no room. */
export function aligned(nodes: readonly Seen[], edge: Edge): ReadonlyMap<NodeId, Point> {
  if (edge === "across" || edge === "down") return distributed(nodes, edge === "across" ? 0 : 1);
  const axis = edge === "left" || edge === "right" ? 0 : 1;
  const far = edge === "right" || edge === "bottom";
  const ends = nodes.map(([, box]) => box[axis] + (far ? box[axis + 2] ?? 0 : 0));
  const line = far ? Math.max(...ends) : Math.min(...ends);
  return new Map(nodes.map(([id, box]) => [id, moved(box, axis, line - (far ? box[axis + 2] ?? 0 : 0))]));
}

const LEAST_GAP = 20;

function distributed(nodes: readonly Seen[], axis: 0 | 1): ReadonlyMap<NodeId, Point> {
  const size = (box: Rect): number => box[axis + 2] ?? 0;
  const order = [...nodes].sort((a, b) => a[1][axis] - b[1][axis]);
  const [first, last] = [order[0]?.[1], order.at(-1)?.[1]];
  if (!first || !last) return new Map();
  const room = last[axis] + size(last) - first[axis] - order.reduce((sum, [, box]) => sum + size(box), 0);
  const gap = Math.max(LEAST_GAP, room / Math.max(1, order.length - 1));
  let at = first[axis];
  return new Map(
    order.map(([id, box]) => {
      const place = moved(box, axis, Math.round(at));
      at += size(box) + gap;
      return [id, place];
    }),
  );
}

function moved([x, y]: Rect, axis: 0 | 1, to: number): Point {
  return axis === 0 ? [to, y] : [x, to];
}
