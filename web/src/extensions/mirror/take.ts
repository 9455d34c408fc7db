/** From the document to views: what a person, a file or undo has changed, and the calls that packs wait for. */
import { type ChangeOrigin, type Graph, type Node, type Touched } from "../../graph";
import type { LGraph } from "../litegraph/graph";
import { LGraphGroup } from "../litegraph/group";
import type { LLink } from "../litegraph/link";
import type { Loose, Open } from "../loose";
import type { Binding } from "./binding";
import { linkIds } from "./give";
import { json, linkFor, takeInputs, takeOutputs } from "./values";
import { entryOf, keysOf } from "./widgets";

const INPUT = 1;
const OUTPUT = 2;

/** Carry what was touched into the views of one graph. @returns nodes that were made. */
export function take(binding: Binding, view: LGraph, graph: Graph, touched: Touched, origin: ChangeOrigin): Open[] {
  const { guard } = binding;
  const born: Open[] = [];
  for (const id of touched.nodes) {
    const [doc, node] = [graph.nodes.get(id), view.getNodeById(id)];
    if (!doc && node) dropNode(binding, view, node);
    else if (doc && !node) born.push(binding.make(view, graph, doc));
  }
  const [gone, fresh] = linkChanges(view, graph, touched);
  for (const link of gone) view.links.delete(link.id);
  for (const link of fresh) view.links.set(link.id, link);
  for (const id of touched.nodes) {
    const [doc, node] = [graph.nodes.get(id), view.getNodeById(id)];
    if (doc && node && !born.includes(node)) takeNode(binding, graph, doc, node, origin);
  }
  for (const link of [...gone, ...fresh]) {
    const [from, to] = [view.getNodeById(link.origin_id), view.getNodeById(link.target_id)];
    if (from) relink(graph, from);
    if (to) relink(graph, to);
  }
  for (const link of gone) tell(link, false);
  for (const link of fresh) tell(link, true);
  for (const id of touched.groups) takeGroup(view, graph, id);
  return born;

  function tell(link: LLink, connected: boolean): void {
    const from = view.getNodeById(link.origin_id);
    const to = view.getNodeById(link.target_id);
    const output = (): Loose => from?.onConnectionsChange && guard.call(from, "onConnectionsChange", OUTPUT, link.origin_slot, connected, link, from._outputs[link.origin_slot]);
    const input = (): Loose => to?.onConnectionsChange && link.target_slot >= 0 && guard.call(to, "onConnectionsChange", INPUT, link.target_slot, connected, link, to._inputs[link.target_slot]);
    for (const call of connected ? [output, input] : [input, output]) if (!born.includes(from ?? {}) || !connected) call();
  }
}

function linkChanges(view: LGraph, graph: Graph, touched: Touched): [LLink[], LLink[]] {
  const gone: LLink[] = [];
  const fresh: LLink[] = [];
  for (const id of touched.links) {
    const [now, before] = [graph.links.get(id), view.links.get(id)];
    const made = now && linkFor(graph, now);
    const moved = made && before && (made.origin_id !== before.origin_id || made.origin_slot !== before.origin_slot || made.target_id !== before.target_id);
    if (before && (!made || moved)) gone.push(before);
    if (made && (!before || moved)) fresh.push(made);
    if (made && before && !moved) Object.assign(before, { type: made.type, target_slot: made.target_slot });
  }
  return [gone, fresh];
}

function relink(graph: Graph, node: Open): void {
  const doc = graph.nodes.get(node.id);
  if (!doc) return;
  takeInputs(node, doc.inputs);
  takeOutputs(node, doc.outputs, (slot) => linkIds(graph, doc.id, slot));
}

function dropNode({ guard }: Binding, view: LGraph, node: Open): void {
  guard.call(node, "onRemoved");
  for (const widget of node._widgets ?? []) guard.call(widget, "onRemove");
  view._nodes.splice(view._nodes.indexOf(node), 1);
  delete view._nodes_by_id[String(node.id)];
  node.graph = null;
  guard.call(view, "onNodeRemoved", node);
}

function takeNode(binding: Binding, graph: Graph, doc: Node, node: Open, origin: ChangeOrigin): void {
  const before = binding.shadow(graph.id, doc.id);
  if (before === doc) return;
  if (doc.pos !== before?.pos) [node._pos[0], node._pos[1]] = doc.pos;
  if (doc.size !== before?.size) {
    [node._size[0], node._size[1]] = doc.size;
    binding.guard.call(node, "onResize", node._size);
  }
  if (doc.mode !== before?.mode) node.mode = doc.mode;
  if (doc.flags !== before?.flags) node._flags = { ...doc.flags };
  if (doc.title !== before?.title) node.title = doc.title ?? (node.constructor as Loose).title;
  if (doc.color !== before?.color) node.color = doc.color;
  if (doc.bgcolor !== before?.bgcolor) node.bgcolor = doc.bgcolor;
  if (doc.inputs !== before?.inputs) takeInputs(node, doc.inputs);
  if (doc.outputs !== before?.outputs) takeOutputs(node, doc.outputs, (slot) => linkIds(graph, doc.id, slot));
  if (doc.properties !== before?.properties) takeProperties(binding, doc, node);
  if (doc.widgets !== before?.widgets) takeValues(binding, doc, node, origin);
}

function takeProperties({ guard }: Binding, doc: Node, node: Open): void {
  const held = node._properties;
  for (const key of Object.keys(held)) if (!Object.hasOwn(doc.properties, key)) delete held[key];
  for (const [key, value] of Object.entries(doc.properties)) {
    if (JSON.stringify(json(held[key])) === JSON.stringify(value)) continue;
    const before = held[key];
    held[key] = structuredClone(value);
    if (guard.call(node, "onPropertyChanged", key, held[key], before) === false) held[key] = before;
  }
}

/** What a person has set in a field: scripts look for this name on the stack, so it is one that builds keep. */
const PERSONS = { inner_value_change: (work: () => void): void => work() };

function takeValues(binding: Binding, doc: Node, node: Open, origin: ChangeOrigin): void {
  const { guard } = binding;
  for (const [widget, key] of keysOf(node)) {
    if (!Object.hasOwn(doc.widgets, key) && !entryOf(widget)) continue;
    const value = doc.widgets[key] ?? entryOf(widget)?.default ?? null;
    const old = widget.value;
    if (old === value || JSON.stringify(json(old)) === JSON.stringify(json(value))) continue;
    const next = typeof value === "object" ? structuredClone(value) : value;
    const set = (): void => void guard.run(() => (widget.value = next), `setting ${key}`, node);
    if (origin !== "do") {
      set();
      continue;
    }
    PERSONS.inner_value_change(() => {
      set();
      guard.call(widget, "callback", widget.value, binding.canvas(), node, binding.canvas()?.graph_mouse, binding.lastEvent);
      guard.call(node, "onWidgetChanged", widget.name, widget.value, old, widget);
    });
  }
}

function takeGroup(view: LGraph, graph: Graph, id: number): void {
  const [doc, at] = [graph.groups.get(id), view._groups.findIndex((group) => group.id === id)];
  if (!doc) {
    if (at >= 0) view._groups.splice(at, 1);
    return;
  }
  const group = view._groups[at] ?? new LGraphGroup(doc.title, id);
  group.graph = view;
  group.title = doc.title;
  group.color = doc.color;
  group._bounding.set(doc.bounds);
  if (at < 0) view._groups.push(group);
}
