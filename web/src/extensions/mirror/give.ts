/** From views to the document: what scripts have changed, as what the document would hold. */
import { type Graph, type Group, type JsonObject, type JsonValue, type Node, type NodeId, bareNode, isObject, jsonEqual, linksFrom, widgetsOf } from "../../graph";
import type { LGraph } from "../litegraph/graph";
import { structured } from "../litegraph/node";
import { isForeign } from "../litegraph/widget";
import type { Loose, Open } from "../loose";
import type { Binding } from "./binding";
import type { Written } from "./reflect";
import { inputsOf, json, linkOf, outputsOf } from "./values";
import { isPlain, valuesOf } from "./widgets";

/** What differs between a graph's views and the document, of the nodes that were touched. */
export function difference(binding: Binding, view: LGraph, touched: ReadonlySet<Loose>): Written {
  const graph = binding.document.graph(view.id);
  const nodes = new Map<NodeId, Node | undefined>();
  for (const node of touched) {
    if (node === view || !node._inputs || node.graph !== view) continue;
    const before = graph.nodes.get(node.id);
    const now = nodeOf(binding, graph, node, before);
    if (now !== before) nodes.set(now.id, now);
  }
  for (const id of graph.nodes.keys()) if (view._nodes_by_id[String(id)] === undefined) nodes.set(id, undefined);
  return { graph: view.id, nodes, links: linksOf(graph, view), groups: groupsOf(graph, view) };
}

function linksOf(graph: Graph, view: LGraph): Written["links"] {
  const links = new Map<number, ReturnType<typeof linkOf>>();
  for (const link of view.links.values()) {
    const now = linkOf(view, link, graph);
    if (now && now !== graph.links.get(link.id)) links.set(link.id, now);
  }
  for (const id of graph.links.keys()) if (!view.links.has(id)) links.set(id, undefined);
  return links;
}

function groupsOf(graph: Graph, view: LGraph): Written["groups"] {
  const groups = new Map<number, Group | undefined>();
  for (const group of view._groups) {
    const before = graph.groups.get(group.id);
    const [x = 0, y = 0, width = 0, height = 0] = group._bounding;
    const same = before && before.title === group.title && before.color === (group.color ?? undefined) && before.bounds.every((each, index) => Math.abs(each - (group._bounding[index] ?? 0)) < 0.01);
    if (!same) groups.set(group.id, { id: group.id, title: String(group.title), bounds: [x, y, width, height], ...(group.color && { color: group.color }), rest: before?.rest ?? {} });
  }
  for (const id of graph.groups.keys()) if (!view._groups.some((group) => group.id === id)) groups.set(id, undefined);
  return groups;
}

type Fields = { -readonly [Key in keyof Node]?: Node[Key] | undefined };

/** The document's node for a view; the very one it has if nothing differs. */
export function nodeOf(binding: Binding, graph: Graph, node: Open, before: Node | undefined): Node {
  const known = before ?? bareNode(node.id, String(node.type), [0, 0]);
  const fields: Fields = {};
  const put = <Key extends keyof Node>(key: Key, value: Node[Key] | undefined): void => {
    if (!jsonEqual(known[key] as JsonValue | undefined, value as JsonValue | undefined)) fields[key] = value;
  };
  put("pos", [Number(node._pos[0]), Number(node._pos[1])]);
  put("size", [Number(node._size[0]), Number(node._size[1])]);
  put("mode", Number(node.mode ?? 0));
  put("flags", json(node._flags) as JsonObject);
  put("color", node.color ?? undefined);
  put("bgcolor", node.bgcolor ?? undefined);
  const usual = (node.constructor as Loose)?.title;
  if (node.title !== (known.title ?? usual)) put("title", node.title === usual ? undefined : String(node.title));
  put("properties", json(node._properties) as JsonObject);
  const inputs = inputsOf(node, known.inputs);
  if (inputs !== known.inputs) fields.inputs = inputs;
  const outputs = outputsOf(node, known.outputs);
  if (outputs !== known.outputs) fields.outputs = outputs;
  const widgets = valuesOf(node, known.widgets);
  if (widgets !== known.widgets) fields.widgets = widgets;
  putSerialised(binding, graph, node, { ...known, widgets }, fields);
  if (before && Object.keys(fields).length === 0) return before;
  const merged: Record<string, unknown> = { ...known, ...fields };
  for (const key of Object.keys(fields)) if (fields[key as keyof Node] === undefined) delete merged[key];
  return merged as unknown as Node;
}

/** What the file says of the widgets, where a pack has a hand in it. */
function putSerialised(binding: Binding, graph: Graph, node: Open, known: Node, fields: Fields): void {
  const { document, guard } = binding;
  const entries = widgetsOf(document.defs, document.state, graph.id, known);
  if (isPlain(node, entries)) return;
  const o: Loose = guard.run(() => node.serialize(), "serialize", node);
  if (!o || typeof o !== "object") return;
  if (o.properties) {
    const properties = json(o.properties);
    if (isObject(properties) && jsonEqual(known.properties, properties)) delete fields.properties;
    else if (isObject(properties)) fields.properties = properties;
  }
  const raw = o.widgets_values === undefined ? undefined : structured(o.widgets_values as JsonValue);
  if (raw === undefined) return;
  if (fields.widgets === undefined && jsonEqual(known.widgetSource?.raw, raw) && jsonEqual(known.widgetSource?.values as JsonObject | undefined, known.widgets)) return;
  fields.widgetSource = { raw, values: known.widgets };
}

/** Nodes whose widgets are of packs' own making: nobody tells when those are written. */
export function hasForeign(node: Open): boolean {
  return (node._widgets ?? []).some((widget: Open) => isForeign(widget));
}

export function linkIds(graph: Graph, node: NodeId, slot: number): number[] | null {
  const ids = linksFrom(graph, node, slot).map(({ id }) => id);
  return ids.length > 0 ? ids : null;
}
