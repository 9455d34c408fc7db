/** A thread being drawn by hand: where it began, what it fits. */
import { type Graph, type Link, type LinkId, type NodeId, PRIMITIVE, type Point, compatible, linksFrom, misfit, upstream } from "../graph";

export type WireEnd =
  | { readonly side: "output"; readonly node: NodeId; readonly slot: number; readonly type: string }
  | { readonly side: "input"; readonly node: NodeId; readonly input: string; readonly type: string };

export interface Wire {
  readonly start: WireEnd;
  /** The link that was taken up at its end, if one was. */
  readonly taken: LinkId | undefined;
  /** Nodes that would close a loop. */
  readonly blocked: ReadonlySet<NodeId>;
  readonly primitive: boolean;
}

export function beginWire(graph: Graph, start: WireEnd, taken?: LinkId): Wire {
  const blocked = start.side === "output" ? upstream(graph, start.node) : downstream(graph, start.node);
  const primitive = start.side === "output" && graph.nodes.get(start.node)?.type === PRIMITIVE;
  return { start, taken, blocked, primitive };
}

/** Whether a port may take the thread; asked of every port on the screen, so it is cheap. */
export function fits(wire: Wire, node: NodeId, side: "input" | "output", type: string, field: boolean): boolean {
  if (wire.start.side === side || wire.blocked.has(node)) return false;
  if (wire.primitive && !field) return false;
  return compatible(wire.start.type, type);
}

/** Both ends of the link that would be made; undefined if it may not be. */
export function joined(graph: Graph, wire: Wire, node: NodeId, key: string | number): Pick<Link, "from" | "to"> | undefined {
  const { start } = wire;
  const ends =
    start.side === "output" && typeof key === "string"
      ? { from: { node: start.node, slot: start.slot }, to: { node, input: key } }
      : start.side === "input" && typeof key === "number"
        ? { from: { node, slot: key }, to: { node: start.node, input: start.input } }
        : undefined;
  return ends && !misfit(graph, ends.from, ends.to) ? ends : undefined;
}

function downstream(graph: Graph, start: NodeId): Set<NodeId> {
  const seen = new Set<NodeId>();
  const open = [start];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    for (const link of linksFrom(graph, id)) open.push(link.to.node);
  }
  return seen;
}

export interface Aim {
  readonly node: NodeId;
  readonly key: string | number;
  readonly at: Point;
}
