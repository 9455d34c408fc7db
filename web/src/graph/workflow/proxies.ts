/** Values that instances of subgraphs hold for widgets inside: the list of today, and the older one by inner node. */
import type { NodeDefs } from "../defs";
import { promotedWidget } from "../subgraph-def";
import type {
  BoundarySlot,
  DocumentState,
  Graph,
  GraphId,
  InputSlot,
  JsonValue,
  Link,
  Node,
  NodeId,
  WidgetValues,
} from "../types";
import { BOUNDARY_INPUT } from "../types";
import { isArray, isObject } from "../values";
import { PRIMITIVE } from "../virtual-defs";
import { widgetsOf } from "../widgets";

/** Today's list: one value for each boundary input that is wired to a widget, in their order. */
export function promotedValues(state: DocumentState, node: Node, defs: NodeDefs): WidgetValues {
  const graph = state.graphs.get(node.type);
  const raw = node.widgetSource?.raw;
  if (!graph) return {};
  if (isObject(raw))
    return Object.fromEntries(graph.inputs.flatMap(({ name }) => (raw[name] === undefined ? [] : [[name, raw[name]]])));
  const values: Record<string, JsonValue> = {};
  let place = 0;
  for (const [index, slot] of graph.inputs.entries()) {
    if (!promotedWidget(state, graph, index, defs)) continue;
    const value = isArray(raw) ? raw[place] : undefined;
    place += 1;
    if (!isNone(value)) values[slot.name] = value;
  }
  return { ...values, ...quarantined(node) };
}

/**
 * The older list, by inner node and widget. A widget that no boundary input reaches gets one: the definition in
 * `graphs` grows. @returns values by boundary input.
 */
export function unfoldProxies(graphs: Map<GraphId, Graph>, node: Node, defs: NodeDefs): WidgetValues {
  const raw = node.widgetSource?.raw;
  const values: Record<string, JsonValue> = {};
  const entries = isArray(node.properties.proxyWidgets) ? node.properties.proxyWidgets : [];
  for (const [place, entry] of entries.entries()) {
    if (!isArray(entry) || typeof entry[1] !== "string") continue;
    const input = reach(graphs, node.type, String(entry[0]), entry[1], defs);
    const value = isArray(raw) ? raw[place] : undefined;
    if (input !== undefined && !isNone(value)) values[input] = value;
  }
  return { ...values, ...quarantined(node) };
}

/** Widgets of the editor's own, which take no wire: previews, what follows a seed, buttons. */
function isHelper(widget: string): boolean {
  return (
    widget.startsWith("$$") || ["control_after_generate", "control_filter_list", "upload", "audioUI"].includes(widget)
  );
}

/** No value, or the null that stands for one inside of a node that nobody knows. */
function isNone(value: JsonValue | undefined): value is null | undefined {
  return value === undefined || value === null;
}

/** Name of the boundary input that feeds a widget inside, made if it must be; undefined if the widget takes no wire. */
function reach(
  graphs: Map<GraphId, Graph>,
  id: GraphId,
  inner: string,
  widget: string,
  defs: NodeDefs,
): string | undefined {
  const graph = graphs.get(id);
  if (!graph) return undefined;
  if (inner === "-1") return graph.inputs.some((slot) => slot.name === widget) ? widget : undefined;
  const node = [...graph.nodes.values()].find((candidate) => String(candidate.id) === inner);
  if (!node) return undefined;
  const wired = wiredInput(graph, node, widget);
  if (wired !== undefined) return wired;
  if (node.type === PRIMITIVE) return replacePrimitive(graphs, graph, node, widget);
  const entry = widgetsOf(defs, { graphs: new Map(graphs) }, id, node).find(
    ({ key, role }) => key === widget && role === "value",
  );
  const slot = node.inputs.find((candidate) => candidate.widget === widget);
  if (slot?.link !== null && slot !== undefined) return undefined;
  const told = entry
    ? entry.input?.socket !== false
    : !defs.of({ graphs: new Map(graphs) }, node.type) && !isHelper(widget);
  if (!slot && !told) return undefined;
  const fresh: InputSlot = slot ?? { name: widget, type: entry?.input?.type ?? "*", widget, link: null, rest: {} };
  return extend(
    graphs,
    {
      ...graph,
      nodes: new Map(graph.nodes).set(node.id, { ...node, inputs: slot ? node.inputs : [...node.inputs, fresh] }),
    },
    widget,
    fresh.type,
    [{ node: node.id, input: fresh.name }],
  );
}

function wiredInput(graph: Graph, node: Node, widget: string): string | undefined {
  const slot = node.inputs.find((candidate) => candidate.widget === widget);
  const link = slot?.link === null || slot === undefined ? undefined : graph.links.get(slot.link);
  return link?.from.node === BOUNDARY_INPUT ? graph.inputs[link.from.slot]?.name : undefined;
}

/** What a primitive fed is fed by the boundary instead. */
function replacePrimitive(
  graphs: Map<GraphId, Graph>,
  graph: Graph,
  primitive: Node,
  widget: string,
): string | undefined {
  const fed = [...graph.links.values()].filter((link) => link.from.node === primitive.id);
  const type = primitive.outputs[0]?.type ?? "*";
  if (fed.length === 0) return undefined;
  const nodes = new Map(graph.nodes);
  nodes.delete(primitive.id);
  const links = new Map(graph.links);
  for (const link of fed) links.delete(link.id);
  return extend(
    graphs,
    { ...graph, nodes, links },
    widget,
    type,
    fed.map((link) => link.to),
  );
}

/** A new boundary input wired to `targets`. @returns its name: `widget`, or that with a number where it is taken. */
function extend(
  graphs: Map<GraphId, Graph>,
  graph: Graph,
  widget: string,
  type: string,
  targets: readonly Link["to"][],
): string {
  let name = widget;
  for (let number = 1; graph.inputs.some((slot) => slot.name === name); number += 1) name = `${widget}_${number}`;
  const boundary: BoundarySlot = { id: `${graph.id}:${name}`, name, type, rest: {} };
  const nodes = new Map<NodeId, Node>(graph.nodes);
  const links = new Map(graph.links);
  let last = graph.last.link;
  for (const to of targets) {
    const target = nodes.get(to.node);
    if (!target) continue;
    last += 1;
    const id = last;
    links.set(id, { id, from: { node: BOUNDARY_INPUT, slot: graph.inputs.length }, to, type, rest: {} });
    nodes.set(to.node, {
      ...target,
      inputs: target.inputs.map((slot) => (slot.name === to.input ? { ...slot, link: id } : slot)),
    });
  }
  graphs.set(graph.id, {
    ...graph,
    nodes,
    links,
    inputs: [...graph.inputs, boundary],
    last: { ...graph.last, link: last },
  });
  return name;
}

/** Values that the field's editor had set aside for own inputs. */
function quarantined(node: Node): WidgetValues {
  const listed = node.properties.proxyWidgetErrorQuarantine;
  const values: Record<string, JsonValue> = {};
  for (const entry of isArray(listed) ? listed : []) {
    if (!isObject(entry) || !isArray(entry.originalEntry) || entry.hostValue === undefined) continue;
    const [id, name] = entry.originalEntry;
    if (String(id) === "-1" && typeof name === "string") values[name] = entry.hostValue;
  }
  return values;
}
