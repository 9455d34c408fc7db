/** Copy and paste. What is copied has the shape that the field's editor puts on its clipboard. */
import type { NodeDefs } from "./defs";
import { pathTo } from "./commands/subgraphs";
import type { Command } from "./document";
import type { Draft } from "./draft";
import { boundsAround, boundsOf } from "./queries";
import { putLink } from "./commands/wiring";
import { misfit } from "./commands/links";
import type { DocumentState, Graph, GraphId, GroupId, JsonObject, JsonValue, NodeId, Point } from "./types";
import { ROOT } from "./types";
import { isArray, isObject } from "./values";
import { parseWorkflow } from "./workflow/parse";
import { objectLink, writeDefinition, writeGroup, writeNode } from "./workflow/serialize";

export interface ClipboardData extends JsonObject {
  readonly nodes: readonly JsonValue[];
  readonly links: readonly JsonValue[];
  readonly groups: readonly JsonValue[];
  readonly reroutes: readonly JsonValue[];
  readonly subgraphs: readonly JsonValue[];
}

export interface Pasted {
  readonly nodes: readonly NodeId[];
  readonly groups: readonly GroupId[];
}

export interface PasteOptions {
  /** Keep wires that came from nodes outside of what was copied, if those nodes are here. */
  readonly keepIncoming?: boolean;
}

/** Nodes in drawing order with the links that end in them, and the definitions that they are instances of. */
export function copy(
  state: DocumentState,
  graph: GraphId,
  nodes: Iterable<NodeId>,
  defs: NodeDefs,
  groups: Iterable<GroupId> = [],
): ClipboardData {
  const level = state.graphs.get(graph);
  if (!level) throw new RangeError(`This document has no graph ${graph}.`);
  const chosen = new Set(nodes);
  const copied = [...level.nodes.values()].filter((node) => chosen.has(node.id));
  const framed = new Set(groups);
  return {
    nodes: copied.map((node, order) => writeNode(level, node, order, state, defs)),
    links: [...level.links.values()].filter((link) => chosen.has(link.to.node)).map((link) => objectLink(level, link)),
    groups: [...level.groups.values()].filter((group) => framed.has(group.id)).map(writeGroup),
    reroutes: [],
    subgraphs: [
      ...used(
        state,
        copied.map((node) => node.type),
      ),
    ].map((used) => writeDefinition(used, state, defs)),
  };
}

/** Definitions of these types and, further in, of what they use. */
function used(state: DocumentState, types: readonly string[], found: Set<Graph> = new Set()): Set<Graph> {
  for (const type of types) {
    const graph = type === ROOT ? undefined : state.graphs.get(type);
    if (!graph || found.has(graph)) continue;
    found.add(graph);
    used(
      state,
      [...graph.nodes.values()].map((node) => node.type),
      found,
    );
  }
  return found;
}

/** A clipboard's text is ours if it is this. */
export function isClipboardData(value: JsonValue): value is ClipboardData {
  return (
    isObject(value) &&
    isArray(value.nodes) &&
    isArray(value.links) &&
    !("version" in value) &&
    !("last_node_id" in value)
  );
}

/**
 * New nodes under new ids. @param at where the top left corner of all goes; undefined: a little beside where it was.
 * Definitions that the document has already are used as they stand here.
 */
export function paste(graph: GraphId, data: ClipboardData, at?: Point, options: PasteOptions = {}): Command<Pasted> {
  return { label: "Paste", apply: (draft) => insert(draft, graph, data, at, options) };
}

/** Copy and paste in one step, a little beside; wires from outside are kept. */
export function duplicate(
  graph: GraphId,
  nodes: Iterable<NodeId>,
  options: PasteOptions = { keepIncoming: true },
): Command<Pasted> {
  return {
    label: "Duplicate",
    apply: (draft) => insert(draft, graph, copy(draft.state(), graph, nodes, draft.defs), undefined, options),
  };
}

const BESIDE: Point = [40, 40];

function insert(
  draft: Draft,
  graph: GraphId,
  data: ClipboardData,
  at: Point | undefined,
  options: PasteOptions,
): Pasted {
  const raw = {
    nodes: data.nodes,
    links: data.links,
    groups: data.groups,
    definitions: { subgraphs: data.subgraphs ?? [] },
  };
  const { state } = parseWorkflow(raw, draft.defs);
  for (const [id, definition] of state.graphs)
    if (id !== ROOT && !draft.state().graphs.has(id)) draft.putGraph(definition);
  const source = state.graphs.get(ROOT);
  if (!source) return { nodes: [], groups: [] };
  const shift = shiftTo(source, at);
  const ids = putNodes(draft, graph, source, shift);
  for (const link of source.links.values()) {
    const [from, to] = [ids.get(link.from.node), ids.get(link.to.node)];
    if (from !== undefined && to !== undefined)
      relink(
        draft,
        graph,
        link.id,
        { node: from, slot: link.from.slot },
        { node: to, input: link.to.input },
        link.type,
      );
  }
  if (options.keepIncoming) for (const link of data.links) keepIncoming(draft, graph, link, data, ids);
  return { nodes: [...ids.values()], groups: putGroups(draft, graph, source, shift) };
}

function putNodes(draft: Draft, graph: GraphId, source: Graph, [dx, dy]: Point): Map<NodeId, NodeId> {
  const ids = new Map<NodeId, NodeId>();
  for (const node of source.nodes.values()) {
    // A subgraph never comes to lie in itself, however far in.
    if (graph !== ROOT && pathTo(draft.state().graphs, node.type, graph)) continue;
    const id = draft.nextNodeId();
    ids.set(node.id, id);
    const inputs = node.inputs.map((slot) => (slot.link === null ? slot : { ...slot, link: null }));
    draft.putNode(graph, { ...node, id, pos: [node.pos[0] + dx, node.pos[1] + dy], inputs });
  }
  return ids;
}

/** A copied link as it was: no rule is asked again, types and slots stay those of the copy. */
function relink(
  draft: Draft,
  graph: GraphId,
  old: number,
  from: { node: NodeId; slot: number },
  to: { node: NodeId; input: string },
  type: string,
): void {
  const id = draft.nextLinkId(graph);
  const target = draft.node(graph, to.node);
  const at = target.inputs.findIndex((slot) => slot.name === to.input && slot.link === null);
  if (at < 0) throw new RangeError(`Wire ${old} of the clipboard ends nowhere.`);
  draft.putLink(graph, { id, from, to, type, rest: {} });
  draft.updateNode(graph, to.node, {
    inputs: target.inputs.map((slot, index) => (index === at ? { ...slot, link: id } : slot)),
  });
}

/** A copied wire from a node that was not copied: its end is where the copied node's own list of inputs names it. */
function keepIncoming(
  draft: Draft,
  graph: GraphId,
  link: JsonValue,
  data: ClipboardData,
  ids: ReadonlyMap<NodeId, NodeId>,
): void {
  if (!isObject(link)) return;
  const { id, origin_id: origin, origin_slot: slot, target_id: target } = link;
  const known = (value: JsonValue | undefined): value is NodeId =>
    typeof value === "number" || typeof value === "string";
  if (!known(origin) || !known(target) || ids.has(origin) || typeof slot !== "number") return;
  const to = ids.get(target);
  const raw = data.nodes.find((node) => isObject(node) && node.id === target);
  const inputs = isObject(raw) && isArray(raw.inputs) ? raw.inputs : [];
  const end = inputs.find((input) => isObject(input) && input.link === id);
  if (to === undefined || !isObject(end) || typeof end.name !== "string") return;
  const [start, goal] = [
    { node: origin, slot },
    { node: to, input: end.name },
  ];
  if (!misfit(draft.graph(graph), start, goal)) putLink(draft, graph, start, goal);
}

function putGroups(draft: Draft, graph: GraphId, source: Graph, [dx, dy]: Point): GroupId[] {
  return [...source.groups.values()].map((group) => {
    const id = draft.nextGroupId(graph);
    const [x, y, width, height] = group.bounds;
    draft.putGroup(graph, { ...group, id, bounds: [x + dx, y + dy, width, height] });
    return id;
  });
}

function shiftTo(source: Graph, at: Point | undefined): Point {
  if (!at) return BESIDE;
  const rects = [
    ...[...source.nodes.values()].map(boundsOf),
    ...[...source.groups.values()].map((group) => group.bounds),
  ];
  const bounds = boundsAround(rects);
  return bounds ? [at[0] - bounds[0], at[1] - bounds[1]] : BESIDE;
}
