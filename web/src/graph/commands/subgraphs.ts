/** Nodes into a subgraph, and out of it again. What runs is the same before and after. */
import type { Command } from "../document";
import type { Draft } from "../draft";
import { makeNode } from "../make-node";
import { boundsAround, boundsOf, linksTo, nodesInside } from "../queries";
import type { BoundarySlot, Graph, GraphId, InputSlot, Link, LinkId, Node, NodeId, Point } from "../types";
import { BOUNDARY_INPUT, BOUNDARY_OUTPUT, Mode } from "../types";

/** Wires across the border, joined where they come from the same output: one boundary slot for each. */
interface Crossing {
  readonly slot: BoundarySlot;
  readonly links: Link[];
}

/**
 * One node in place of many. Wires that came in or went out do so through its slots.
 * @returns the new node's id.
 * @throws RangeError if none of the nodes are there.
 */
export function makeSubgraph(graph: GraphId, ids: Iterable<NodeId>, name = "Subgraph", id: GraphId = crypto.randomUUID()): Command<NodeId> {
  return {
    label: "Make a subgraph",
    apply(draft) {
      const level = draft.graph(graph);
      const chosen = new Set([...ids].filter((node) => level.nodes.has(node)));
      const bounds = boundsAround([...chosen].map((node) => boundsOf(draft.node(graph, node))));
      if (!bounds) throw new RangeError("Select nodes to make a subgraph of first.");
      const links = [...level.links.values()];
      const incoming = crossings(links.filter(({ from, to }) => !chosen.has(from.node) && chosen.has(to.node)), (link) => link.to.input, id, "in");
      const outgoing = crossings(
        links.filter(({ from, to }) => chosen.has(from.node) && !chosen.has(to.node)),
        ({ from }) => level.nodes.get(from.node)?.outputs[from.slot]?.name ?? "output",
        id,
        "out",
      );
      const frames = [...level.groups.values()].filter((group) => {
        const inside = nodesInside(level, group);
        return inside.length > 0 && inside.every((node) => chosen.has(node));
      });
      draft.putGraph(innerGraph(level, chosen, incoming, outgoing, id, name, frames.map((frame) => frame.id)));
      for (const frame of frames) draft.dropGroup(graph, frame.id);
      return replace(draft, graph, chosen, incoming, outgoing, id, freedPlace(level, chosen, [bounds[0] + bounds[2] / 2, bounds[1] + bounds[3] / 2]));
    },
  };
}

/** Where the new node hides nobody: in place of the one that lay nearest to the middle. */
function freedPlace(level: Graph, chosen: ReadonlySet<NodeId>, [x, y]: Point): Point {
  let [place, least]: [Point, number] = [[x, y], Infinity];
  for (const id of chosen) {
    const node = level.nodes.get(id);
    if (!node) continue;
    const [left, top, width, height] = boundsOf(node);
    const away = Math.hypot(left + width / 2 - x, top + height / 2 - y);
    if (away < least + 1) [place, least] = [node.pos, away];
  }
  return place;
}

function crossings(links: readonly Link[], nameOf: (link: Link) => string, id: GraphId, side: string): Crossing[] {
  const found = new Map<string, Crossing>();
  const names = new Set<string>();
  for (const link of links) {
    const key = `${typeof link.from.node} ${link.from.node} ${link.from.slot}`;
    const known = found.get(key);
    if (known) {
      known.links.push(link);
      continue;
    }
    const wanted = nameOf(link) || link.type.toLowerCase();
    let name = wanted;
    for (let number = 1; names.has(name); number += 1) name = `${wanted}_${number}`;
    names.add(name);
    found.set(key, { slot: { id: `${id}:${side}:${name}`, name, type: link.type, rest: {} }, links: [link] });
  }
  return [...found.values()];
}

function innerGraph(level: Graph, chosen: ReadonlySet<NodeId>, incoming: readonly Crossing[], outgoing: readonly Crossing[], id: GraphId, name: string, frames: readonly number[]): Graph {
  const links = new Map<LinkId, Link>();
  for (const link of level.links.values()) if (chosen.has(link.from.node) && chosen.has(link.to.node)) links.set(link.id, link);
  incoming.forEach((crossing, slot) => {
    for (const link of crossing.links) links.set(link.id, { ...link, from: { node: BOUNDARY_INPUT, slot } });
  });
  for (const { slot, links: wires } of outgoing) {
    const [first] = wires;
    if (first) links.set(first.id, { ...first, to: { node: BOUNDARY_OUTPUT, input: slot.id } });
  }
  return {
    id,
    name,
    nodes: new Map([...level.nodes].filter(([node]) => chosen.has(node))),
    links,
    groups: new Map([...level.groups].filter(([group]) => frames.includes(group))),
    inputs: incoming.map(({ slot }) => slot),
    outputs: outgoing.map(({ slot }) => slot),
    last: level.last,
    rest: {},
  };
}

/** The wires keep their ids, so that what they end in does not change. */
function replace(draft: Draft, graph: GraphId, chosen: ReadonlySet<NodeId>, incoming: readonly Crossing[], outgoing: readonly Crossing[], type: GraphId, place: Point): NodeId {
  const id = draft.nextNodeId();
  const level = draft.graph(graph);
  for (const link of [...level.links.values()]) if (chosen.has(link.to.node)) draft.dropLink(graph, link.id);
  outgoing.forEach(({ links }, slot) => {
    for (const link of links) draft.putLink(graph, { ...link, from: { node: id, slot } });
  });
  for (const node of chosen) draft.dropNode(graph, node);
  const def = draft.defs.of(draft.state(), type);
  if (!def) throw new RangeError(`This document has no graph ${type}.`);
  draft.putNode(graph, makeNode(id, def, place));
  for (const { slot, links } of incoming) {
    const [first] = links;
    if (first) end(draft, graph, { ...first, to: { node: id, input: slot.name } });
  }
  return id;
}

/** Put a link and write it into the slot it ends in. */
function end(draft: Draft, graph: GraphId, link: Link): void {
  draft.putLink(graph, link);
  const { inputs } = draft.node(graph, link.to.node);
  const at = inputs.findIndex((slot) => slot.name === link.to.input);
  draft.updateNode(graph, link.to.node, { inputs: inputs.map((slot, index): InputSlot => (index === at ? { ...slot, link: link.id } : slot)) });
}

/**
 * The nodes of a subgraph in place of one of its instances. The definition goes with its last instance.
 * @returns ids of the nodes, under which they lie here now.
 */
export function unpackSubgraph(graph: GraphId, instance: NodeId): Command<NodeId[]> {
  return {
    label: "Unpack subgraph",
    apply(draft) {
      const node = draft.node(graph, instance);
      const inner = draft.state().graphs.get(node.type);
      if (!inner) throw new RangeError("This node is no subgraph.");
      const ids = putInner(draft, graph, inner, node);
      const [inside, after] = [linksTo(draft.graph(graph), instance), [...draft.graph(graph).links.values()].filter(({ from }) => from.node === instance)];
      const outer = new Map(inside.map((link) => [link.to.input, link.from]));
      const sourceOf = (from: Link["from"]): Link["from"] | undefined => {
        if (from.node === BOUNDARY_INPUT) return outer.get(inner.inputs[from.slot]?.name ?? "");
        const id = ids.get(from.node);
        return id === undefined ? undefined : { node: id, slot: from.slot };
      };
      for (const link of inside) draft.dropLink(graph, link.id);
      for (const link of inner.links.values()) joinInner(draft, graph, link, ids, sourceOf(link.from), inner, node);
      for (const link of after) rejoin(draft, graph, link, inner, sourceOf);
      draft.dropNode(graph, instance);
      const used = [...draft.state().graphs.values()].some(({ nodes }) => [...nodes.values()].some(({ type }) => type === inner.id));
      if (!used) draft.dropGraph(inner.id);
      return [...ids.values()];
    },
  };
}

function putInner(draft: Draft, graph: GraphId, inner: Graph, instance: Node): Map<NodeId, NodeId> {
  const bounds = boundsAround([...inner.nodes.values()].map(boundsOf));
  const own = boundsOf(instance);
  const [dx, dy] = bounds ? [Math.round(own[0] + own[2] / 2 - bounds[0] - bounds[2] / 2), Math.round(own[1] + own[3] / 2 - bounds[1] - bounds[3] / 2)] : [0, 0];
  const ids = new Map<NodeId, NodeId>();
  for (const node of inner.nodes.values()) {
    const id = draft.nextNodeId();
    ids.set(node.id, id);
    const inputs = node.inputs.map((slot) => (slot.link === null ? slot : { ...slot, link: null }));
    const mode = instance.mode === Mode.Always ? node.mode : instance.mode;
    draft.putNode(graph, { ...node, id, mode, pos: [node.pos[0] + dx, node.pos[1] + dy], inputs });
  }
  for (const group of inner.groups.values()) {
    const [x, y, width, height] = group.bounds;
    draft.putGroup(graph, { ...group, id: draft.nextGroupId(graph), bounds: [x + dx, y + dy, width, height] });
  }
  return ids;
}

/** A wire that ends inside; where nothing comes in, the value that the instance held is written into the widget. */
function joinInner(draft: Draft, graph: GraphId, link: Link, ids: ReadonlyMap<NodeId, NodeId>, from: Link["from"] | undefined, inner: Graph, instance: Node): void {
  const target = ids.get(link.to.node);
  if (target === undefined) return; // it ends at the boundary
  if (from) return end(draft, graph, { ...link, id: draft.nextLinkId(graph), from, to: { node: target, input: link.to.input } });
  const name = inner.inputs[link.from.slot]?.name ?? "";
  const node = draft.node(graph, target);
  const widget = node.inputs.find((slot) => slot.name === link.to.input)?.widget;
  const value = instance.widgets[name];
  if (widget !== undefined && value !== undefined) draft.updateNode(graph, target, { widgets: { ...node.widgets, [widget]: value } });
}

/** A wire that left the instance begins where it began inside. */
function rejoin(draft: Draft, graph: GraphId, link: Link, inner: Graph, sourceOf: (from: Link["from"]) => Link["from"] | undefined): void {
  const slot = inner.outputs[link.from.slot];
  const within = [...inner.links.values()].find(({ to }) => to.node === BOUNDARY_OUTPUT && to.input === slot?.id);
  const from = within && sourceOf(within.from);
  if (from) return draft.putLink(graph, { ...link, from });
  draft.dropLink(graph, link.id);
  const target = draft.graph(graph).nodes.get(link.to.node);
  if (target) draft.updateNode(graph, target.id, { inputs: target.inputs.map((input) => (input.link === link.id ? { ...input, link: null } : input)) });
}

/** Definitions from the root to the one on screen, by the first instance on the way. */
export function pathTo(graphs: ReadonlyMap<GraphId, Graph>, start: GraphId, goal: GraphId, seen: ReadonlySet<GraphId> = new Set()): readonly { readonly graph: GraphId; readonly instance: NodeId }[] | undefined {
  if (start === goal) return [];
  const passed = new Set([...seen, start]); // a damaged file may hold a subgraph in itself
  for (const node of graphs.get(start)?.nodes.values() ?? []) {
    if (!graphs.has(node.type) || passed.has(node.type)) continue;
    const rest = pathTo(graphs, node.type, goal, passed);
    if (rest) return [{ graph: node.type, instance: node.id }, ...rest];
  }
  return undefined;
}
