/** What making and cutting a link brings with it: slots that grow, types that follow, a primitive's value. */
import type { Draft } from "../draft";
import { inputOf, linksFrom, linksTo } from "../queries";
import { adaptInputs } from "../slots";
import type { GraphId, InputSlot, Link, LinkId, Node, NodeId, OutputSlot } from "../types";
import { BOUNDARY_INPUT, BOUNDARY_OUTPUT } from "../types";
import { PRIMITIVE, REROUTE } from "../virtual-defs";
import { PRIMITIVE_KEY, controlKey, valueOf, widgetsOf } from "../widgets";

/** Take a link away at both ends. Unknown ids are passed over. */
export function cutLink(draft: Draft, graph: GraphId, id: LinkId): void {
  const link = draft.graph(graph).links.get(id);
  if (!link) return;
  const target = draft.graph(graph).nodes.get(link.to.node);
  if (target) {
    const inputs = target.inputs.map((slot) => (slot.link === id ? { ...slot, link: null } : slot));
    draft.updateNode(graph, target.id, { inputs });
    grow(draft, graph, target.id);
  }
  draft.dropLink(graph, id);
  if (target) settleTypes(draft, graph, target.id);
  settlePrimitive(draft, graph, link.from.node);
}

/** Make a link; the one that the input held goes. The caller has made sure that both ends exist. */
export function putLink(draft: Draft, graph: GraphId, from: Link["from"], to: Link["to"]): LinkId {
  if (to.node === BOUNDARY_OUTPUT) return putOutward(draft, graph, from, to);
  const target = draft.node(graph, to.node);
  const held = inputOf(target, to.input)?.link;
  if (held !== null && held !== undefined) cutLink(draft, graph, held);
  const id = draft.nextLinkId(graph);
  draft.putLink(graph, { id, from, to, type: typeAt(draft, graph, from), rest: {} });
  const { inputs } = draft.node(graph, to.node);
  const at = inputs.findIndex((slot) => slot.name === to.input);
  draft.updateNode(graph, to.node, {
    inputs: inputs.map((slot, index) => (index === at ? { ...slot, link: id } : slot)),
  });
  grow(draft, graph, to.node);
  settlePrimitive(draft, graph, from.node);
  settleTypes(draft, graph, to.node);
  return id;
}

/** A link to an output of the subgraph that this graph is. */
function putOutward(draft: Draft, graph: GraphId, from: Link["from"], to: Link["to"]): LinkId {
  for (const link of [...draft.graph(graph).links.values()]) if (link.to.node === BOUNDARY_OUTPUT && link.to.input === to.input) cutLink(draft, graph, link.id);
  const id = draft.nextLinkId(graph);
  draft.putLink(graph, { id, from, to, type: typeAt(draft, graph, from), rest: {} });
  return id;
}

function typeAt(draft: Draft, graph: GraphId, { node, slot }: Link["from"]): string {
  const level = draft.graph(graph);
  return (node === BOUNDARY_INPUT ? level.inputs[slot]?.type : level.nodes.get(node)?.outputs[slot]?.type) ?? "*";
}

/** Add or take away free slots of a group that grows. */
function grow(draft: Draft, graph: GraphId, id: NodeId): void {
  const node = draft.node(graph, id);
  const def = draft.defs.of(draft.state(), node.type);
  if (def?.inputs.some((input) => input.autogrow)) draft.updateNode(graph, id, { inputs: adaptInputs(node, def) });
}

/** A first wire gives a primitive its type and, if it has none, its value. */
function settlePrimitive(draft: Draft, graph: GraphId, id: NodeId): void {
  const node = draft.graph(graph).nodes.get(id);
  if (node?.type !== PRIMITIVE) return;
  const [first] = linksFrom(draft.graph(graph), id);
  if (!first) {
    draft.updateNode(graph, id, { outputs: node.outputs.map((slot) => ({ ...slot, name: "", type: "*", rest: {} })) });
    return;
  }
  const target = draft.graph(graph).nodes.get(first.to.node);
  const slot = target?.inputs.find((input) => input.link === first.id);
  const entry = target && widgetsOf(draft.defs, draft.state(), graph, target).find(({ key }) => key === slot?.widget);
  if (!target || !slot || !entry) return;
  const rest = { ...node.outputs[0]?.rest, widget: { name: entry.name } };
  draft.updateNode(graph, id, { outputs: [{ name: slot.type, type: slot.type, list: false, rest }] });
  retype(draft, graph, id, 0, slot.type);
  if (Object.hasOwn(node.widgets, PRIMITIVE_KEY)) return;
  const control = target.widgets[controlKey(entry.key)];
  const values = {
    [PRIMITIVE_KEY]: valueOf(target, entry),
    ...(control !== undefined && { [controlKey(PRIMITIVE_KEY)]: control }),
  };
  draft.updateNode(graph, id, { widgets: { ...node.widgets, ...values } });
}

/** Outputs whose type follows an input's (reroutes, matches) follow it, and so on down the wires. */
export function settleTypes(draft: Draft, graph: GraphId, start: NodeId, seen: Set<NodeId> = new Set()): void {
  const node = draft.graph(graph).nodes.get(start);
  if (!node || seen.has(start)) return;
  seen.add(start);
  const next = node.type === REROUTE ? settleReroute(draft, graph, node) : settleMatches(draft, graph, node);
  for (const [index, slot] of next.entries()) {
    if (slot.type === node.outputs[index]?.type) continue;
    for (const link of retype(draft, graph, start, index, slot.type)) settleTypes(draft, graph, link.to.node, seen);
  }
}

function settleReroute(draft: Draft, graph: GraphId, node: Node): readonly OutputSlot[] {
  const type = sourceType(draft, graph, node, node.inputs[0]) ?? "*";
  const outputs = node.outputs.map((slot) => ({ ...slot, type, ...(slot.name !== "" && { name: type }) }));
  if (node.outputs.some((slot) => slot.type !== type)) draft.updateNode(graph, node.id, { outputs });
  return outputs;
}

function settleMatches(draft: Draft, graph: GraphId, node: Node): readonly OutputSlot[] {
  const def = draft.defs.of(draft.state(), node.type);
  const matched = def?.inputs.filter((input) => input.match !== undefined) ?? [];
  if (!def || matched.length === 0) return node.outputs;
  const types = new Map<string, string>();
  for (const input of matched) {
    const type = sourceType(draft, graph, node, inputOf(node, input.name));
    if (type !== undefined && type !== "*" && !types.has(input.match ?? "")) types.set(input.match ?? "", type);
  }
  const typeOf = (match: string | undefined, open: string): string => types.get(match ?? "") ?? open;
  const inputs = node.inputs.map((slot) => {
    const input = matched.find(({ name }) => name === slot.name);
    return input ? { ...slot, type: typeOf(input.match, input.type) } : slot;
  });
  const outputs = node.outputs.map((slot, index) => {
    const match = def.outputs[index]?.match;
    return match === undefined ? slot : { ...slot, type: typeOf(match, "*") };
  });
  if (differs(inputs, node.inputs) || differs(outputs, node.outputs))
    draft.updateNode(graph, node.id, { inputs, outputs });
  return outputs;
}

function differs(a: readonly { type: string }[], b: readonly { type: string }[]): boolean {
  return a.some((slot, index) => slot.type !== b[index]?.type);
}

function sourceType(draft: Draft, graph: GraphId, node: Node, slot: InputSlot | undefined): string | undefined {
  const link = linksTo(draft.graph(graph), node.id).find(({ id }) => id === slot?.link);
  return link && (draft.graph(graph).nodes.get(link.from.node)?.outputs[link.from.slot]?.type ?? link.type);
}

/** @returns the links whose type was set. */
function retype(draft: Draft, graph: GraphId, node: NodeId, slot: number, type: string): readonly Link[] {
  const links = linksFrom(draft.graph(graph), node, slot);
  for (const link of links)
    if (link.type !== type && link.to.node !== BOUNDARY_OUTPUT) draft.putLink(graph, { ...link, type });
  return links;
}
