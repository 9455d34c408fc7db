/** The prompt where packs have a hand in it: their widgets, their values, their nodes that are never sent. */
import { type DocumentState, type Graph, type JsonValue, type Link, type NodeId, toPrompt } from "../graph";
import { forgetLinks } from "../graph/queries";
import type { Binding } from "./mirror/binding";
import { json } from "./mirror/values";
import { entryOf } from "./mirror/widgets";
import { hasOwnValue } from "./litegraph/widget";
import type { Loose, Open } from "./loose";

/** @returns `{ workflow, output }` as plain values that packs may change. */
export async function promptOf(binding: Binding): Promise<Open> {
  const { document, guard } = binding;
  for (const node of binding.all()) if (node.isVirtualNode && node.applyToGraph) guard.call(node, "applyToGraph");
  binding.sweep();
  binding.flush();
  const { prompt } = toPrompt(withoutVirtual(binding), document.defs);
  const output: Open = open(prompt);
  await Promise.all(Object.entries(output).map(async ([id, sent]) => {
    const node = binding.locate(id);
    if (node) await fill(binding, node, sent as Open);
  }));
  return { workflow: binding.serialize(binding.around.root), output };
}

/** A copy that may be written; whole numbers that a double cannot hold stay exact. */
function open(value: JsonValue | Readonly<Record<string, JsonValue>>): Open {
  if (Array.isArray(value)) return value.map(open) as unknown as Open;
  if (typeof value !== "object" || value === null) return value as unknown as Open;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, open(each)]));
}

/** What the node's own widgets say, where it is more than the definition knows or a pack says it in its own way. */
async function fill({ guard }: Binding, node: Open, sent: Open): Promise<void> {
  for (const [index, widget] of ((node.widgets ?? []) as Open[]).entries()) {
    if (!widget?.name || widget.options?.serialize === false || widget.type === "button") continue;
    if (node._inputs.some((slot: Open) => slot.widget?.name === widget.name && slot.link != null)) continue;
    const own = typeof widget.serializeValue === "function";
    if (!own && entryOf(widget) && !hasOwnValue(widget)) continue;
    const value: Loose = own ? await guard.run(() => widget.serializeValue(node, index), `serializeValue of ${widget.name}`, node) : widget.value;
    if (value === undefined && !entryOf(widget)) continue;
    const plain = json(value);
    sent.inputs[widget.name] = Array.isArray(plain) ? { __value__: plain } : plain;
  }
}

/** The document as if nodes that only packs' scripts know were wires: what reads from them reads from where they lead. */
function withoutVirtual(binding: Binding): DocumentState {
  const { graphs } = binding.document.state;
  return { graphs: new Map([...graphs].map(([id, graph]) => [id, rewired(binding, graph)])) };
}

function rewired(binding: Binding, graph: Graph): Graph {
  const view = binding.views.get(graph.id);
  const virtual = new Map<NodeId, Open>();
  for (const node of view?._nodes ?? []) if (node.isVirtualNode && !BUILT_IN.has(node.type)) virtual.set(node.id, node);
  if (virtual.size === 0) return graph;
  const links = new Map<number, Link>();
  for (const link of graph.links.values()) {
    if (virtual.has(link.to.node)) continue;
    const from = sourceOf(binding, virtual, link.from);
    if (from) links.set(link.id, from === link.from ? link : { ...link, from });
  }
  forgetLinks(links);
  const nodes = new Map([...graph.nodes].filter(([id]) => !virtual.has(id)).map(([id, node]) => [id, node.inputs.some((slot) => slot.link !== null && !links.has(slot.link)) ? { ...node, inputs: node.inputs.map((slot) => (slot.link !== null && !links.has(slot.link) ? { ...slot, link: null } : slot)) } : node]));
  return { ...graph, nodes, links };
}

/** Virtual nodes that the document knows itself. */
const BUILT_IN = new Set(["Reroute", "PrimitiveNode", "Note", "MarkdownNote"]);

function sourceOf(binding: Binding, virtual: ReadonlyMap<NodeId, Open>, start: Link["from"]): Link["from"] | undefined {
  let from: Link["from"] | undefined = start;
  for (let steps = 0; from && virtual.has(from.node) && steps <= virtual.size; steps += 1) {
    const node: Open = virtual.get(from.node) ?? {};
    const { slot } = from;
    const asked: Loose = node.resolveVirtualOutput ? binding.guard.call(node, "resolveVirtualOutput", slot) : undefined;
    const link: Loose = asked ? undefined : binding.guard.call(node, "getInputLink", slot);
    from = asked?.node ? { node: asked.node.id, slot: asked.slot } : link ? { node: link.origin_id, slot: link.origin_slot } : undefined;
  }
  return from && !virtual.has(from.node) ? from : undefined;
}

