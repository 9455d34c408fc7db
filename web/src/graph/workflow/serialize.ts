/** A document to workflow JSON, version 0.4 (what the field's editor saves and reads). */
import type { NodeDefs } from "../defs";
import { linksFrom } from "../queries";
import type {
  BoundarySlot,
  Camera,
  DocumentState,
  Graph,
  GraphId,
  Group,
  InputSlot,
  JsonObject,
  JsonValue,
  Link,
  Node,
  OutputSlot,
  WidgetSource,
} from "../types";
import { BOUNDARY_INPUT, BOUNDARY_OUTPUT, ROOT } from "../types";
import { isArray, isObject, jsonEqual, without } from "../values";
import { widgetsOf } from "../widgets";
import { listValues } from "./restore";

/** @param camera where the view stands, to find it again there. */
export function serialize(state: DocumentState, defs: NodeDefs, camera?: Camera): JsonObject {
  const root = state.graphs.get(ROOT);
  if (!root) throw new RangeError("A document has a root.");
  const definitions = [...state.graphs.values()]
    .filter((graph) => graph.id !== ROOT)
    .map((graph) => writeDefinition(graph, state, defs));
  const kept = isObject(root.rest.definitions) ? root.rest.definitions : {};
  return {
    revision: 0,
    ...root.rest,
    last_node_id: Math.max(...[...state.graphs.values()].map((graph) => graph.last.node)),
    last_link_id: root.last.link,
    nodes: writeNodes(root, state, defs),
    links: [...root.links.values()].map((link) => arrayLink(root, link)),
    groups: [...root.groups.values()].map(writeGroup),
    ...((definitions.length > 0 || Object.keys(kept).length > 0) && {
      definitions: { ...kept, subgraphs: definitions },
    }),
    config: root.rest.config ?? {},
    extra: writeExtra(root, camera),
    version: 0.4,
  };
}

/** A subgraph's definition is a graph of version 1. */
export function writeDefinition(graph: Graph, state: DocumentState, defs: NodeDefs): JsonObject {
  const ends = (id: string): JsonValue =>
    [...graph.links.values()]
      .filter((link) => link.to.node === BOUNDARY_OUTPUT && link.to.input === id)
      .map((link) => link.id);
  const starts = (slot: number): JsonValue =>
    [...graph.links.values()]
      .filter((link) => link.from.node === BOUNDARY_INPUT && link.from.slot === slot)
      .map((link) => link.id);
  const { node, link, group } = graph.last;
  return {
    revision: 0,
    config: {},
    inputNode: { id: BOUNDARY_INPUT, bounding: [0, 0, 120, 60] },
    outputNode: { id: BOUNDARY_OUTPUT, bounding: [0, 0, 120, 60] },
    widgets: [],
    ...graph.rest,
    id: graph.id,
    version: 1,
    state: { lastGroupId: group, lastNodeId: node, lastLinkId: link, lastRerouteId: lastReroute(graph.rest.reroutes) },
    name: graph.name,
    inputs: graph.inputs.map((slot, index) => boundary(slot, starts(index))),
    outputs: graph.outputs.map((slot) => boundary(slot, ends(slot.id))),
    nodes: writeNodes(graph, state, defs),
    groups: [...graph.groups.values()].map(writeGroup),
    links: [...graph.links.values()].map((each) => objectLink(graph, each)),
  };
}

function lastReroute(reroutes: JsonValue | undefined): number {
  const ids = (isArray(reroutes) ? reroutes : []).map((point) =>
    isObject(point) && typeof point.id === "number" ? point.id : 0,
  );
  return Math.max(0, ...ids);
}

function boundary({ id, name, type, label, rest }: BoundarySlot, linkIds: JsonValue): JsonObject {
  return { id, name, type, linkIds, ...(label !== undefined && { label }), ...rest };
}

function writeNodes(graph: Graph, state: DocumentState, defs: NodeDefs): JsonObject[] {
  return [...graph.nodes.values()].map((node, order) => writeNode(graph, node, order, state, defs));
}

export function writeNode(graph: Graph, node: Node, order: number, state: DocumentState, defs: NodeDefs): JsonObject {
  const { title, color, bgcolor } = node;
  return {
    id: node.id,
    type: node.type,
    pos: node.pos,
    size: node.size,
    flags: node.flags,
    order,
    mode: node.mode,
    inputs: writtenInputs(node).map(writeInput),
    outputs: node.outputs.map((slot, index) => writeOutput(graph, node, slot, index)),
    ...(title !== undefined && { title }),
    properties: node.properties,
    ...writeWidgets(graph.id, node, state, defs),
    ...(color !== undefined && { color }),
    ...(bgcolor !== undefined && { bgcolor }),
    ...without(node.rest, ["widgets_values_named"]),
  };
}

/** Slots that only our definitions told us of are left out until something is wired to them. */
function writtenInputs(node: Node): readonly InputSlot[] {
  return node.inputs.filter((slot) => !slot.implicit || slot.link !== null);
}

function writeInput({ name, type, link, widget, label, rest }: InputSlot): JsonObject {
  return {
    name,
    type,
    ...(widget !== undefined && { widget: { name: widget } }),
    link,
    ...(label !== undefined && { label }),
    ...rest,
  };
}

function writeOutput(graph: Graph, node: Node, { name, type, label, rest }: OutputSlot, index: number): JsonObject {
  const links = linksFrom(graph, node.id, index).map((link) => link.id);
  return {
    name,
    type,
    ...(label !== undefined && { label }),
    ...rest,
    links: links.length > 0 ? links : (rest.links ?? null),
  };
}

function writeWidgets(graph: GraphId, node: Node, state: DocumentState, defs: NodeDefs): JsonObject {
  const entries = widgetsOf(defs, state, graph, node);
  const named = node.rest.widgets_values_named;
  const source = node.widgetSource;
  if (source && unchanged(node, source))
    return { widgets_values: source.raw, ...(named !== undefined && { widgets_values_named: named }) };
  const unknown = entries.length === 0 && !defs.of(state, node.type);
  if (unknown && Object.keys(node.widgets).length > 0) return unknownWidgets(node);
  if (entries.length === 0) return source ? { widgets_values: source.raw } : {};
  const written = listValues(entries, node.widgets, source?.raw);
  if (!isObject(named)) return { widgets_values: written };
  const names = Object.fromEntries(entries.map((entry) => [entry.name, node.widgets[entry.key] ?? entry.default]));
  return { widgets_values: written, widgets_values_named: { ...named, ...names } };
}

/** Values by name are all that is known of a type that nobody knows. */
function unknownWidgets(node: Node): JsonObject {
  const listed = node.widgetSource?.raw;
  return isArray(listed)
    ? { widgets_values: listed, widgets_values_named: node.widgets }
    : { widgets_values: node.widgets };
}

/** Undo makes equal values of another identity: compare what they are. */
function unchanged(node: Node, source: WidgetSource): boolean {
  return node.widgets === source.values || jsonEqual(node.widgets, source.values);
}

/** Number of the slot in the list that we write. */
function targetNumber(graph: Graph, link: Link): number {
  if (link.to.node === BOUNDARY_OUTPUT) return graph.outputs.findIndex((slot) => slot.id === link.to.input);
  const target = graph.nodes.get(link.to.node);
  return target ? writtenInputs(target).findIndex((slot) => slot.link === link.id) : -1;
}

function arrayLink(graph: Graph, link: Link): JsonValue {
  return [link.id, link.from.node, link.from.slot, link.to.node, targetNumber(graph, link), link.type];
}

export function objectLink(graph: Graph, { id, from, to, type, rest }: Link): JsonObject {
  const slot = targetNumber(graph, { id, from, to, type, rest });
  return { id, origin_id: from.node, origin_slot: from.slot, target_id: to.node, target_slot: slot, type, ...rest };
}

export function writeGroup({ id, title, bounds, color, rest }: Group): JsonObject {
  return { id, title, bounding: bounds, ...(color !== undefined && { color }), ...rest };
}

/** Version 0.4 keeps what links know of reroute points here. Points that no wire passes any more go. */
function writeExtra(root: Graph, camera: Camera | undefined): JsonObject {
  const extra = isObject(root.rest.extra) ? root.rest.extra : {};
  const links = [...root.links.values()].map((link) => ({ id: link.id, rest: without(link.rest, SHOWN), shown: onlyShown(link) }));
  const extensions = links.filter(({ rest }) => Object.keys(rest).length > 0).map(({ id, rest }) => ({ id, ...rest }));
  const presentation = links.filter(({ shown }) => Object.keys(shown).length > 0).map(({ id, shown }) => [id, shown] as const);
  const points = (isArray(extra.reroutes) ? extra.reroutes : []).flatMap((point) => livingPoint(point, root));
  return {
    ...without(extra, ["reroutes"]),
    ...(points.length > 0 && { reroutes: points }),
    ...(extensions.length > 0 && { linkExtensions: extensions }),
    ...(presentation.length > 0 && { linkPresentation: Object.fromEntries(presentation) }),
    ...(camera && { ds: { scale: camera.scale, offset: camera.offset } }),
  };
}

/** How a link is shown, which version 0.4 keeps apart from its reroute points. */
const SHOWN = ["hidden", "label"];

function onlyShown({ rest }: Link): JsonObject {
  return Object.fromEntries(Object.entries(rest).filter(([key]) => SHOWN.includes(key)));
}

function livingPoint(point: JsonValue, root: Graph): JsonValue[] {
  if (!isObject(point) || !isArray(point.linkIds)) return [point];
  const linkIds = point.linkIds.filter((id) => typeof id === "number" && root.links.has(id));
  return linkIds.length > 0 || point.floating !== undefined ? [{ ...point, linkIds }] : [];
}
