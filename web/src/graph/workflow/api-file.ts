/** A prompt file (the API form) opened as a document: it has no places, so nodes are arranged. */
import { arrange } from "../arrange";
import type { NodeDef, NodeDefs } from "../defs";
import { makeNode } from "../make-node";
import { reconcileInputs } from "../slots";
import type { DocumentState, Graph, InputSlot, JsonObject, JsonValue, Link, Node, NodeId, OutputSlot } from "../types";
import { ROOT } from "../types";
import { bareNode, emptyGraph, isArray, isObject } from "../values";
import type { ParsedWorkflow } from "./parse";
import { parseWorkflow } from "./parse";
import { WorkflowError } from "./read";

/** Every value at the top has a `class_type`. */
export function isPrompt(json: JsonValue): json is JsonObject {
  return (
    isObject(json) &&
    Object.keys(json).length > 0 &&
    Object.values(json).every((node) => isObject(node) && typeof node.class_type === "string")
  );
}

/** A workflow or a prompt, whichever it is. @throws WorkflowError if it is neither. */
export function openJson(json: JsonValue, defs: NodeDefs): ParsedWorkflow {
  return isPrompt(json) ? { state: parsePrompt(json, defs), camera: undefined } : parseWorkflow(json, defs);
}

/** @throws WorkflowError if the JSON is no prompt. */
export function parsePrompt(json: JsonValue, defs: NodeDefs): DocumentState {
  if (!isPrompt(json)) throw new WorkflowError("no-prompt");
  const links: Link[] = [];
  const nodes = Object.entries(json).map(([id, raw]) => promptNode(nodeId(id), raw as JsonObject, json, defs, links));
  const named = new Map(nodes.map((node) => [node.id, withOutputs(node, links)]));
  const graph: Graph = {
    ...emptyGraph(ROOT),
    nodes: named,
    links: new Map(
      links.map((link) => [
        link.id,
        { ...link, type: named.get(link.from.node)?.outputs[link.from.slot]?.type ?? "*" },
      ]),
    ),
    last: {
      node: Math.max(0, ...nodes.map(({ id }) => (typeof id === "number" ? id : 0))),
      link: links.length,
      group: 0,
    },
  };
  const places = arrange(graph);
  const placed = new Map([...graph.nodes].map(([id, node]) => [id, { ...node, pos: places.get(id) ?? node.pos }]));
  return { graphs: new Map([[ROOT, { ...graph, nodes: placed }]]) };
}

/** A colon parts instances from what is in them: files of workflows know no such ids. */
function nodeId(id: string): NodeId {
  return /^\d{1,15}$/.test(id) ? Number(id) : id.replaceAll(":", "_");
}

function promptNode(id: NodeId, raw: JsonObject, prompt: JsonObject, defs: NodeDefs, links: Link[]): Node {
  const type = String(raw.class_type);
  const def = defs.get(type);
  const values: Record<string, JsonValue> = {};
  const wired: InputSlot[] = [];
  for (const [name, value] of Object.entries(isObject(raw.inputs) ? raw.inputs : {})) {
    const from = wireOf(value, prompt);
    if (!from) {
      values[name] = isObject(value) && value.__value__ !== undefined ? value.__value__ : value;
      continue;
    }
    const link: Link = { id: links.length + 1, from, to: { node: id, input: name }, type: "*", rest: {} };
    links.push(link);
    wired.push({ name, type: "*", link: link.id, rest: {} });
  }
  const node = def ? makeNode(id, def, [0, 0], values) : { ...bareNode(id, type), inputs: wired, widgets: values };
  const title = isObject(raw._meta) ? raw._meta.title : undefined;
  const own = typeof title === "string" && title !== type && title !== def?.displayName;
  return { ...node, ...(own && { title }), ...(def && { inputs: inputsOf(node, def, wired) }) };
}

function inputsOf(node: Node, def: NodeDef, wired: readonly InputSlot[]): InputSlot[] {
  const inputs = reconcileInputs(wired, def, (key) => node.widgets[key]);
  return inputs.map(({ implicit: _implicit, ...slot }) => slot);
}

/** The output that a value names, if it is a wire: a list of two, a text first. */
function wireOf(value: JsonValue, prompt: JsonObject): Link["from"] | undefined {
  if (!isArray(value) || value.length !== 2) return undefined;
  const [id, slot] = value;
  if (typeof id !== "string" || typeof slot !== "number" || !Object.hasOwn(prompt, id)) return undefined;
  return { node: nodeId(id), slot };
}

/** A type that nobody knows has at least the outputs that are read. */
function withOutputs(node: Node, links: readonly Link[]): Node {
  const read = links.filter((link) => link.from.node === node.id).map((link) => link.from.slot);
  const missing = Math.max(0, ...read.map((slot) => slot + 1)) - node.outputs.length;
  if (missing <= 0) return node;
  const extra = Array.from({ length: missing }, (): OutputSlot => ({ name: "*", type: "*", list: false, rest: {} }));
  return { ...node, outputs: [...node.outputs, ...extra] };
}
