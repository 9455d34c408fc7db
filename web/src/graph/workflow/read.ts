/** Raw workflow JSON (0.4 or 1, and subgraph definitions) to graphs, before node definitions have their say. */
import type {
  BoundarySlot,
  Camera,
  Graph,
  GraphId,
  Group,
  InputSlot,
  JsonObject,
  JsonValue,
  Link,
  LinkId,
  Node,
  NodeId,
  OutputSlot,
  Point,
} from "../types";
import { BOUNDARY_INPUT, BOUNDARY_OUTPUT, ROOT } from "../types";
import { isArray, isObject, without } from "../values";
import { LIST_SHAPE } from "../slots";

const DEFAULT_SIZE: Point = [210, 60];
const GRAPH_KEYS = ["nodes", "links", "groups", "last_node_id", "last_link_id", "state", "version", "reroutes"];
const SUBGRAPH_KEYS = ["id", "name", "inputs", "outputs"];
const NODE_KEYS = [
  "id",
  "type",
  "pos",
  "size",
  "flags",
  "mode",
  "inputs",
  "outputs",
  "title",
  "properties",
  "widgets_values",
  "color",
  "bgcolor",
];

/** Why a file could not be opened. */
export type FileProblem = "no-workflow" | "no-subgraph" | "no-prompt" | "neither" | "picture-bare" | "file-bare" | "text-too-large";

/** What is wrong; who shows it has the words. */
export class WorkflowError extends Error {
  override name = "WorkflowError";

  constructor(readonly problem: FileProblem) {
    super(problem);
  }
}

/** A root and its definitions, flat. @throws WorkflowError if it is no workflow at all. */
export function readGraphs(json: JsonValue): Map<GraphId, Graph> {
  if (!isObject(json) || !isArray(json.nodes))
    throw new WorkflowError("no-workflow");
  const root = readGraph(json, ROOT);
  const graphs = new Map([[ROOT, root]]);
  for (const definition of definitionsIn(json)) {
    if (typeof definition.id === "string" && !graphs.has(definition.id))
      graphs.set(definition.id, readGraph(definition, definition.id));
  }
  return graphs;
}

/** Where the file's camera stood. */
export function readCamera(json: JsonValue): Camera | undefined {
  const ds = isObject(json) && isObject(json.extra) ? json.extra.ds : undefined;
  if (!isObject(ds) || typeof ds.scale !== "number" || !(ds.scale > 0)) return undefined;
  return { scale: ds.scale, offset: pair(ds.offset, [0, 0]) };
}

/** Definitions of this level and, nested, of those. */
function definitionsIn(level: JsonObject): JsonObject[] {
  const listed = isObject(level.definitions) ? level.definitions.subgraphs : undefined;
  return items(listed)
    .filter(isObject)
    .flatMap((definition) => [definition, ...definitionsIn(definition)]);
}

function readGraph(raw: JsonObject, id: GraphId): Graph {
  const inputs = items(raw.inputs).filter(isObject).map(readBoundary);
  const outputs = items(raw.outputs).filter(isObject).map(readBoundary);
  const nodes = new Map(
    items(raw.nodes)
      .filter(isObject)
      .flatMap((node) => {
        const read = readNode(node);
        return read ? [[read.id, read] as const] : [];
      }),
  );
  const links = readLinks(raw, nodes, outputs);
  const groups = readGroups(raw.groups);
  const own = id === ROOT ? GRAPH_KEYS : [...GRAPH_KEYS, ...SUBGRAPH_KEYS];
  return {
    id,
    name: id === ROOT ? "" : text(raw.name),
    nodes: cleanLinks(nodes, links),
    links,
    groups,
    inputs: id === ROOT ? [] : inputs,
    outputs: id === ROOT ? [] : outputs,
    last: lastIds(raw, nodes, links, groups),
    rest: graphRest(raw, own, id),
  };
}

/** Unknown keys; points of native reroutes go to `extra`, where version 0.4 keeps them; nested definitions lie flat. */
function graphRest(raw: JsonObject, own: readonly string[], id: GraphId): JsonObject {
  const rest = without(raw, own);
  const definitions = isObject(rest.definitions) ? without(rest.definitions, ["subgraphs"]) : {};
  const flat = without(rest, ["definitions"]);
  const kept = Object.keys(definitions).length > 0 ? { ...flat, definitions } : flat;
  if (id !== ROOT) return raw.reroutes === undefined ? kept : { ...kept, reroutes: raw.reroutes };
  const extra = isObject(kept.extra) ? without(kept.extra, ["ds", "linkExtensions", "linkPresentation"]) : {};
  return { ...kept, extra: raw.reroutes === undefined ? extra : { ...extra, reroutes: raw.reroutes } };
}

function lastIds(
  raw: JsonObject,
  nodes: ReadonlyMap<NodeId, Node>,
  links: ReadonlyMap<LinkId, Link>,
  groups: ReadonlyMap<number, Group>,
): Graph["last"] {
  const state = isObject(raw.state) ? raw.state : {};
  const top = (told: JsonValue | undefined, ids: Iterable<NodeId>): number =>
    [...ids].reduce<number>(
      (most, id) => (typeof id === "number" && id > most ? id : most),
      typeof told === "number" ? told : 0,
    );
  return {
    node: top(raw.last_node_id ?? state.lastNodeId, nodes.keys()),
    link: top(raw.last_link_id ?? state.lastLinkId, links.keys()),
    group: top(state.lastGroupId, groups.keys()),
  };
}

function readNode(raw: JsonObject): Node | undefined {
  const id = nodeId(raw.id);
  if (id === undefined) return undefined;
  const title = raw.title;
  return {
    id,
    type: text(raw.type),
    pos: pair(raw.pos, [0, 0]),
    size: pair(raw.size, DEFAULT_SIZE),
    mode: typeof raw.mode === "number" ? raw.mode : 0,
    ...(typeof title === "string" && { title }),
    flags: isObject(raw.flags) ? raw.flags : {},
    ...(typeof raw.color === "string" && { color: raw.color }),
    ...(typeof raw.bgcolor === "string" && { bgcolor: raw.bgcolor }),
    inputs: items(raw.inputs).filter(isObject).map(readInput),
    outputs: items(raw.outputs).filter(isObject).map(readOutput),
    properties: isObject(raw.properties) ? raw.properties : {},
    widgets: {},
    ...(raw.widgets_values !== undefined && { widgetSource: { raw: raw.widgets_values, values: {} } }),
    rest: without(raw, NODE_KEYS),
  };
}

function readInput(raw: JsonObject): InputSlot {
  const widget = isObject(raw.widget) ? raw.widget : undefined;
  const plain = without(raw, ["name", "type", "link", "label", "widget"]);
  const linked = number(raw.link);
  return {
    name: text(raw.name),
    type: slotType(raw.type),
    link: linked ?? null,
    ...(typeof widget?.name === "string" && { widget: widget.name }),
    ...(typeof raw.label === "string" && { label: raw.label }),
    rest: widget && Object.keys(widget).length > 1 ? { ...plain, widget } : plain,
  };
}

function readOutput(raw: JsonObject): OutputSlot {
  return {
    name: text(raw.name),
    type: slotType(raw.type),
    list: raw.shape === LIST_SHAPE,
    ...(typeof raw.label === "string" && { label: raw.label }),
    rest: without(
      raw,
      Array.isArray(raw.links) && raw.links.length === 0
        ? ["name", "type", "label"]
        : ["name", "type", "label", "links"],
    ),
  };
}

function readBoundary(raw: JsonObject, index: number): BoundarySlot {
  return {
    id: typeof raw.id === "string" ? raw.id : `${text(raw.name)}#${index}`,
    name: text(raw.name),
    type: slotType(raw.type),
    ...(typeof raw.label === "string" && { label: raw.label }),
    rest: without(raw, ["id", "name", "type", "label", "linkIds"]),
  };
}

interface RawLink {
  readonly id: number;
  readonly from: Link["from"];
  readonly target: NodeId;
  readonly targetSlot: number;
  readonly type: string;
  readonly rest: JsonObject;
}

/** A link ends where a node's input names it: the slot number in the file counts a list that may be shortened. */
function readLinks(raw: JsonObject, nodes: Map<NodeId, Node>, outputs: readonly BoundarySlot[]): Map<LinkId, Link> {
  const links = new Map<LinkId, Link>();
  const parents = linkExtensions(raw);
  for (const entry of items(raw.links)) {
    const link = isArray(entry) ? arrayLink(entry, parents) : isObject(entry) ? objectLink(entry) : undefined;
    const input = link && endOf(link, nodes, outputs);
    const starts = link && (link.from.node === BOUNDARY_INPUT || nodes.has(link.from.node));
    if (!link || !starts || input === undefined) continue;
    links.set(link.id, {
      id: link.id,
      from: link.from,
      to: { node: link.target, input },
      type: link.type,
      rest: link.rest,
    });
  }
  return links;
}

/** Name of the input, or id of the boundary output, where a link ends. A slot that lost its link's id takes it again. */
function endOf(link: RawLink, nodes: Map<NodeId, Node>, outputs: readonly BoundarySlot[]): string | undefined {
  if (link.target === BOUNDARY_OUTPUT) return outputs[link.targetSlot]?.id;
  const node = nodes.get(link.target);
  const named = node?.inputs.find((slot) => slot.link === link.id);
  if (!node || named) return named?.name;
  const numbered = node.inputs[link.targetSlot];
  if (numbered?.link !== null) return undefined;
  const inputs = node.inputs.map((slot, index) => (index === link.targetSlot ? { ...slot, link: link.id } : slot));
  nodes.set(node.id, { ...node, inputs });
  return numbered.name;
}

/** Inputs forget links that the file does not list. */
function cleanLinks(nodes: ReadonlyMap<NodeId, Node>, links: ReadonlyMap<LinkId, Link>): Map<NodeId, Node> {
  const dead = (slot: InputSlot, node: Node): boolean =>
    slot.link !== null && links.get(slot.link)?.to.node !== node.id;
  return new Map(
    [...nodes].map(([id, node]) => {
      if (!node.inputs.some((slot) => dead(slot, node))) return [id, node];
      return [id, { ...node, inputs: node.inputs.map((slot) => (dead(slot, node) ? { ...slot, link: null } : slot)) }];
    }),
  );
}

/** In 0.4 what links know of reroute points and of how they are shown lies in `extra`. */
function linkExtensions(raw: JsonObject): ReadonlyMap<number, JsonObject> {
  const extra = isObject(raw.extra) ? raw.extra : {};
  const found = new Map<number, JsonObject>();
  for (const entry of items(extra.linkExtensions).filter(isObject)) if (typeof entry.id === "number") found.set(entry.id, without(entry, ["id"]));
  for (const [id, shown] of Object.entries(isObject(extra.linkPresentation) ? extra.linkPresentation : {}))
    if (isObject(shown)) found.set(Number(id), { ...found.get(Number(id)), ...shown });
  return found;
}

function arrayLink(entry: readonly JsonValue[], parents: ReadonlyMap<number, JsonObject>): RawLink | undefined {
  const [id, origin, slot, target, targetSlot] = [
    number(entry[0]),
    nodeId(entry[1]),
    number(entry[2]),
    nodeId(entry[3]),
    number(entry[4]),
  ];
  if (id === undefined || origin === undefined || target === undefined) return undefined;
  return {
    id,
    from: { node: origin, slot: slot ?? 0 },
    target,
    targetSlot: targetSlot ?? 0,
    type: slotType(entry[5]),
    rest: parents.get(id) ?? {},
  };
}

function objectLink(entry: JsonObject): RawLink | undefined {
  const [id, origin, target] = [number(entry.id), nodeId(entry.origin_id), nodeId(entry.target_id)];
  if (id === undefined || origin === undefined || target === undefined) return undefined;
  const rest = without(entry, ["id", "origin_id", "origin_slot", "target_id", "target_slot", "type"]);
  return {
    id,
    from: { node: origin, slot: number(entry.origin_slot) ?? 0 },
    target,
    targetSlot: number(entry.target_slot) ?? 0,
    type: slotType(entry.type),
    rest,
  };
}

function readGroups(raw: JsonValue | undefined): Map<number, Group> {
  const groups = new Map<number, Group>();
  const taken = items(raw)
    .filter(isObject)
    .map((group) => number(group.id) ?? 0);
  let free = Math.max(0, ...taken);
  for (const group of items(raw).filter(isObject)) {
    const told = number(group.id);
    const id = told !== undefined && !groups.has(told) ? told : ++free;
    const [x, y, width, height] = items(group.bounding).map((value) => number(value) ?? 0);
    groups.set(id, {
      id,
      title: text(group.title),
      bounds: [x ?? 0, y ?? 0, width ?? 200, height ?? 100],
      ...(typeof group.color === "string" && { color: group.color }),
      rest: without(group, ["id", "title", "bounding", "color"]),
    });
  }
  return groups;
}

function nodeId(value: JsonValue | undefined): NodeId | undefined {
  return number(value) ?? (typeof value === "string" && value !== "" ? value : undefined);
}

/** A number, or a text that spells a whole one. */
function number(value: JsonValue | undefined): number | undefined {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  return typeof value === "string" && /^-?\d{1,15}$/.test(value) ? Number(value) : undefined;
}

function slotType(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : isArray(value) ? "COMBO" : "*";
}

/** An array of two, or an object with keys 0 and 1. */
function pair(value: JsonValue | undefined, fallback: Point): Point {
  const [x, y] = isObject(value) ? [value["0"], value["1"]] : items(value);
  return [number(x) ?? fallback[0], number(y) ?? fallback[1]];
}

function text(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}

function items(value: JsonValue | undefined): readonly JsonValue[] {
  return isArray(value) ? value : [];
}
