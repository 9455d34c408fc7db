/** Questions to a graph. Answers are remembered per table: only drafts change one, and they say so (`forgetLinks`). */
import type { Graph, Group, InputSlot, Link, LinkId, Node, NodeId, Rect } from "./types";
import { BOUNDARY_OUTPUT } from "./types";
import { REROUTE } from "./virtual-defs";

/** Height of a node's title, which lies above its `pos`. */
export const TITLE_HEIGHT = 30;

const outgoing = new WeakMap<Graph["links"], Map<NodeId, Link[]>>();

/** A draft is about to write to this table. */
export function forgetLinks(links: Graph["links"]): void {
  outgoing.delete(links);
}

/** Links that leave a node, from one output or from all. */
export function linksFrom(graph: Graph, node: NodeId, slot?: number): readonly Link[] {
  let index = outgoing.get(graph.links);
  if (!index) {
    index = new Map<NodeId, Link[]>();
    for (const link of graph.links.values()) {
      const known = index.get(link.from.node);
      if (known) known.push(link);
      else index.set(link.from.node, [link]);
    }
    outgoing.set(graph.links, index);
  }
  const links = index.get(node) ?? [];
  return slot === undefined ? links : links.filter((link) => link.from.slot === slot);
}

/** Links that end in a node, in the order of its inputs. */
export function linksTo(graph: Graph, node: NodeId): readonly Link[] {
  return (graph.nodes.get(node)?.inputs ?? []).flatMap((slot) => {
    const link = slot.link === null ? undefined : graph.links.get(slot.link);
    return link ? [link] : [];
  });
}

export function inputOf(node: Node, name: string): InputSlot | undefined {
  return node.inputs.find((slot) => slot.name === name);
}

/** Slot where a link ends; undefined at a subgraph's boundary. */
export function targetSlot(graph: Graph, link: Link): InputSlot | undefined {
  return link.to.node === BOUNDARY_OUTPUT
    ? undefined
    : graph.nodes.get(link.to.node)?.inputs.find((slot) => slot.link === link.id);
}

/** All nodes that `start` reads from, however far, itself included. */
export function upstream(graph: Graph, start: NodeId): Set<NodeId> {
  const seen = new Set<NodeId>();
  const open = [start];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    for (const link of linksTo(graph, id)) open.push(link.from.node);
  }
  return seen;
}

/** A link between these two would close a loop. */
export function wouldLoop(graph: Graph, from: NodeId, to: NodeId): boolean {
  return upstream(graph, from).has(to);
}

/** Follow a wire back through reroutes to where its value comes from. */
export function sourceOf(graph: Graph, link: LinkId): Link | undefined {
  let found = graph.links.get(link);
  const seen = new Set<LinkId>();
  while (found && !seen.has(found.id)) {
    seen.add(found.id);
    const node = graph.nodes.get(found.from.node);
    if (node?.type !== REROUTE) return found;
    const before = node.inputs[0]?.link;
    found = before === null || before === undefined ? undefined : graph.links.get(before);
  }
  return undefined;
}

/** Bounds with the title; a collapsed node is its title alone. */
export function boundsOf(node: Node): Rect {
  const height = node.flags.collapsed === true ? 0 : node.size[1];
  return [node.pos[0], node.pos[1] - TITLE_HEIGHT, node.size[0], height + TITLE_HEIGHT];
}

/** Nodes whose middle lies in the group. */
export function nodesInside(graph: Graph, group: Group): NodeId[] {
  return [...graph.nodes.values()].filter((node) => holdsMiddle(group.bounds, boundsOf(node))).map((node) => node.id);
}

function holdsMiddle(outer: Rect, inner: Rect): boolean {
  const x = inner[0] + inner[2] / 2;
  const y = inner[1] + inner[3] / 2;
  return x >= outer[0] && x <= outer[0] + outer[2] && y >= outer[1] && y <= outer[1] + outer[3];
}

/** The smallest rectangle around all; undefined for none. */
export function boundsAround(rects: Iterable<Rect>): Rect | undefined {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y, width, height] of rects) {
    left = Math.min(left, x);
    top = Math.min(top, y);
    right = Math.max(right, x + width);
    bottom = Math.max(bottom, y + height);
  }
  return left === Infinity ? undefined : [left, top, right - left, bottom - top];
}
