/** Another type in a node's place: what fits of its links and values stays. */
import { compatible } from "../compatible";
import type { NodeDef, NodeDefs } from "../defs";
import type { Command } from "../document";
import type { Draft } from "../draft";
import { makeNode } from "../make-node";
import { linksFrom, linksTo } from "../queries";
import type { DocumentState, Graph, GraphId, InputSlot, JsonValue, Link, Node, NodeId, OutputSlot } from "../types";
import { valueOf, widgetsOf } from "../widgets";
import { misfit } from "./links";
import { cutLink, putLink } from "./wiring";

/**
 * Replace a node by one of another type, with the same id, place, title and colours. Links go to slots of the same name and type,
 * else to the first free slot of the type; values to fields of the same name that take them. What fits nowhere is cut.
 * @returns how many links were cut. @throws RangeError if the type is not known.
 */
export function replaceNode(graph: GraphId, id: NodeId, type: string): Command<number> {
  return {
    label: "Replace",
    apply(draft) {
      const level = draft.graph(graph);
      const old = draft.node(graph, id);
      const def = draft.defs.of(draft.state(), type);
      if (!def) throw new RangeError(`There is no node type ${type}.`);
      const [incoming, outgoing] = [linksTo(level, id), [...linksFrom(level, id)]];
      const links = pairLinks(level, old, makeNode(id, def, old.pos).inputs, makeNode(id, def, old.pos).outputs, incoming, outgoing);
      for (const link of [...incoming, ...outgoing]) cutLink(draft, graph, link.id);
      draft.dropNode(graph, id);
      draft.putNode(graph, dressed(draft, graph, old, def));
      return incoming.length + outgoing.length - wire(draft, graph, id, links);
    },
  };
}

/** How many of a node's links a type would keep: for ordering the types that could take its place. */
export function keptLinks(defs: NodeDefs, state: DocumentState, graph: Graph, id: NodeId, type: string): number {
  const [node, def] = [graph.nodes.get(id), defs.of(state, type)];
  if (!node || !def) return 0;
  const other = makeNode(id, def, node.pos);
  return pairLinks(graph, node, other.inputs, other.outputs, linksTo(graph, id), linksFrom(graph, id)).length;
}

type Pairing = { readonly link: Link; readonly input: string } | { readonly link: Link; readonly output: number };

function pairLinks(
  graph: Graph,
  old: Node,
  inputs: readonly InputSlot[],
  outputs: readonly OutputSlot[],
  incoming: readonly Link[],
  outgoing: readonly Link[],
): Pairing[] {
  return [...pairIncoming(graph, old, inputs, incoming), ...pairOutgoing(graph, old, outputs, outgoing)];
}

function pairIncoming(graph: Graph, old: Node, inputs: readonly InputSlot[], links: readonly Link[]): Pairing[] {
  const taken = new Set<string>();
  const paired = new Map<Link, string>();
  const typeOf = (link: Link): string => graph.nodes.get(link.from.node)?.outputs[link.from.slot]?.type ?? link.type;
  const find = (wanted: (link: Link, slot: InputSlot) => boolean): void => {
    for (const link of links) {
      if (paired.has(link)) continue;
      const slot = inputs.find((each) => !taken.has(each.name) && compatible(typeOf(link), each.type) && wanted(link, each));
      if (!slot) continue;
      taken.add(slot.name);
      paired.set(link, slot.name);
    }
  };
  const wasField = (link: Link): boolean => old.inputs.find(({ name }) => name === link.to.input)?.widget !== undefined;
  find((link, slot) => slot.name === link.to.input);
  find((link, slot) => slot.widget === undefined && !wasField(link) && slot.type.toLowerCase() === typeOf(link).toLowerCase());
  find((link, slot) => slot.widget === undefined && !wasField(link));
  return [...paired].map(([link, input]) => ({ link, input }));
}

function pairOutgoing(graph: Graph, old: Node, outputs: readonly OutputSlot[], links: readonly Link[]): Pairing[] {
  return links.flatMap((link) => {
    const goal = graph.nodes.get(link.to.node)?.inputs.find((slot) => slot.link === link.id)?.type ?? link.type;
    const name = old.outputs[link.from.slot]?.name;
    const fits = (slot: OutputSlot): boolean => compatible(slot.type, goal);
    const same = outputs.findIndex((slot) => slot.name === name && fits(slot));
    const exact = outputs.findIndex((slot) => slot.type.toLowerCase() === goal.toLowerCase());
    const output = [same, exact, outputs.findIndex(fits)].find((index) => index >= 0);
    return output === undefined ? [] : [{ link, output }];
  });
}

function wire(draft: Draft, graph: GraphId, id: NodeId, pairs: readonly Pairing[]): number {
  let made = 0;
  for (const pair of pairs) {
    const [from, to] =
      "input" in pair ? [pair.link.from, { node: id, input: pair.input }] : [{ node: id, slot: pair.output }, pair.link.to];
    if (misfit(draft.graph(graph), from, to)) continue;
    putLink(draft, graph, from, to);
    made += 1;
  }
  return made;
}

/** The new node in the old one's place, with values that its fields take. */
function dressed(draft: Draft, graph: GraphId, old: Node, def: NodeDef): Node {
  const entries = widgetsOf(draft.defs, draft.state(), graph, old);
  const before = new Map<string, JsonValue>(entries.map((entry) => [entry.key, valueOf(old, entry)]));
  const fresh = makeNode(old.id, def, old.pos);
  const kept = widgetsOf(draft.defs, draft.state(), graph, fresh).flatMap((entry): [string, JsonValue][] => {
    const value = before.get(entry.key);
    if (value === undefined || typeof value !== typeof valueOf(fresh, entry)) return [];
    if (entry.widget.kind === "combo" && !entry.widget.options.includes(value as string)) return [];
    return [[entry.key, value]];
  });
  const node = makeNode(old.id, def, old.pos, Object.fromEntries(kept));
  const { title, color, bgcolor, mode, flags } = old;
  return { ...node, mode, flags, ...(title !== undefined && { title }), ...(color !== undefined && { color }), ...(bgcolor !== undefined && { bgcolor }) };
}
