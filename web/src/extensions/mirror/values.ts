/** Between what scripts hold and what the document holds: slots, values, links. */
import { type InputSlot, type JsonObject, type JsonValue, type Link, type Node, type OutputSlot, BOUNDARY_OUTPUT, type Graph, isArray, jsonEqual } from "../../graph";
import { LLink } from "../litegraph/link";
import { structured } from "../litegraph/node";
import type { Loose, Open } from "../loose";

const SLOT_KEYS = new Set(["name", "type", "link", "links", "widget", "label", "node", "parent", "alwaysVisible", "boundingRect", "_layoutElement", "collapsedPos"]);

/** What JSON can hold of a value; undefined is null. */
export function json(value: Loose): JsonValue {
  if (value === undefined || typeof value === "function" || typeof value === "symbol") return null;
  if (value === null || typeof value !== "object") return typeof value === "number" && !Number.isFinite(value) ? null : value;
  return structured(value);
}

/** Keys of a slot beyond those that we know. */
function restOf(slot: Open): JsonObject {
  const rest: Record<string, JsonValue> = {};
  for (const key of Object.keys(slot)) {
    const value = slot[key];
    if (SLOT_KEYS.has(key) || key.startsWith("_") || value === undefined || typeof value === "function" || value instanceof PageElement) continue;
    rest[key] = json(value);
  }
  return rest;
}
/** Elements are no data. */
const PageElement = globalThis.Element ?? class {};

function typeText(type: Loose): string {
  if (Array.isArray(type)) return "COMBO";
  return type === 0 || type === -1 || type === undefined || type === null || type === "" ? "*" : String(type);
}

export function inputsOf(node: Open, before: readonly InputSlot[]): readonly InputSlot[] {
  const slots = node._inputs.map((slot: Open): InputSlot => {
    const known = before.find(({ name }) => name === slot.name);
    const made: InputSlot = {
      name: String(slot.name ?? ""),
      type: typeText(slot.type),
      link: typeof slot.link === "number" ? slot.link : null,
      ...(slot.widget?.name !== undefined && { widget: String(slot.widget.name) }),
      ...(typeof slot.label === "string" && { label: slot.label }),
      ...(known?.implicit === true && { implicit: true }),
      rest: restOf(slot),
    };
    return known && same(known, made) ? known : made;
  });
  return unchanged(before, slots);
}

export function outputsOf(node: Open, before: readonly OutputSlot[]): readonly OutputSlot[] {
  const slots = node._outputs.map((slot: Open, index: number): OutputSlot => {
    const known = before[index];
    const made: OutputSlot = { name: String(slot.name ?? ""), type: typeText(slot.type), ...(typeof slot.label === "string" && { label: slot.label }), list: known?.list ?? slot.shape === 6, rest: { ...(known?.rest.links !== undefined && { links: known.rest.links }), ...restOf(slot) } };
    return known && same(known, made) ? known : made;
  });
  return unchanged(before, slots);
}

function same(a: object, b: object): boolean {
  return jsonEqual(a as JsonObject, b as JsonObject);
}

function unchanged<T>(before: readonly T[], now: readonly T[]): readonly T[] {
  return before.length === now.length && now.every((each, index) => each === before[index]) ? before : now;
}

/** The document's slots in a view: objects that scripts hold stay the same. */
export function takeInputs(node: Open, slots: readonly InputSlot[]): void {
  const left: Loose[] = [...node._inputs];
  node._inputs = slots.map(({ name, type, link, widget, label, rest }) => {
    const at = left.findIndex((slot) => slot.name === name);
    const [known] = at >= 0 ? left.splice(at, 1) : [];
    const slot: Open = Object.assign(known ?? {}, structuredClone(rest), { name, type, link });
    setOrDelete(slot, "label", label);
    if (widget === undefined) delete slot.widget;
    else if (slot.widget?.name !== widget) slot.widget = { name: widget };
    return slot;
  });
}

export function takeOutputs(node: Open, slots: readonly OutputSlot[], links: (index: number) => number[] | null): void {
  node._outputs = slots.map(({ name, type, label, rest }, index) => {
    const { links: _links, ...more } = rest;
    const slot: Open = Object.assign(node._outputs[index] ?? {}, structuredClone(more), { name, type, links: links(index) });
    setOrDelete(slot, "label", label);
    return slot;
  });
}

function setOrDelete(slot: Open, key: string, value: Loose): void {
  if (value === undefined) delete slot[key];
  else slot[key] = value;
}

/** A link of the document as scripts see it: ends by number. */
export function linkFor(graph: Graph, { id, from, to, type }: Link): LLink {
  const slot = to.node === BOUNDARY_OUTPUT ? graph.outputs.findIndex((each) => each.id === to.input) : (graph.nodes.get(to.node)?.inputs.findIndex((each) => each.link === id) ?? -1);
  return new LLink(id, type, from.node, from.slot, to.node, slot);
}

/** And back: ends by name. Undefined if its end is gone. */
export function linkOf(view: Open, link: LLink, graph: Graph): Link | undefined {
  const known = graph.links.get(link.id);
  const input = link.target_id === BOUNDARY_OUTPUT ? graph.outputs[link.target_slot]?.id : view.getNodeById(link.target_id)?._inputs.find((slot: Open) => slot.link === link.id)?.name;
  if (input === undefined) return undefined;
  const made: Link = { id: link.id, from: { node: link.origin_id, slot: link.origin_slot }, to: { node: link.target_id, input }, type: typeText(link.type), rest: known?.rest ?? {} };
  return known && same(known, made) ? known : made;
}

/** What a file says of a node, all slots told: for `configure`. */
export function infoOf(graph: Graph, node: Node, values: JsonValue | undefined, linksFrom: (slot: number) => number[] | null): Open {
  const { id, type, pos, size, flags, mode, title, properties, color, bgcolor, rest } = node;
  return {
    ...structuredClone(rest),
    id, type, pos: [...pos], size: [...size], flags: { ...flags }, mode, order: [...graph.nodes.keys()].indexOf(id),
    inputs: node.inputs.map(({ name, type: kind, link, widget, label, rest: more }) => ({ ...structuredClone(more), name, type: kind, link, ...(widget !== undefined && { widget: { name: widget } }), ...(label !== undefined && { label }) })),
    outputs: node.outputs.map(({ name, type: kind, label, rest: { links: _links, ...more } }, index) => ({ ...structuredClone(more), name, type: kind, links: linksFrom(index), ...(label !== undefined && { label }) })),
    ...(title !== undefined && { title }),
    properties: structuredClone(properties),
    ...(color !== undefined && { color }),
    ...(bgcolor !== undefined && { bgcolor }),
    ...(values !== undefined && { widgets_values: isArray(values) ? [...values] : structuredClone(values) }),
  };
}
