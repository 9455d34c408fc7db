/** Which slots a node should have, and how those it has are brought in line with its definition. */
import type { InputDef, NodeDef } from "./defs";
import type { InputSlot, JsonValue, Node, OutputSlot } from "./types";

/** A round slot with a hole: an optional input. */
const OPTIONAL_SHAPE = 7;
/** A grid: a list. */
export const LIST_SHAPE = 6;

type ValueOf = (key: string) => JsonValue | undefined;

/** A node's inputs by its definition, sockets first, then those of widgets; `linked` tells how far groups have grown. */
export function wantedInputs(def: NodeDef, value: ValueOf, linked: ReadonlySet<string>): InputSlot[] {
  const slots = [...wanted(def.inputs, "", value, linked)];
  return [...slots.filter((slot) => slot.widget === undefined), ...slots.filter((slot) => slot.widget !== undefined)];
}

function* wanted(
  inputs: readonly InputDef[],
  parent: string,
  value: ValueOf,
  linked: ReadonlySet<string>,
): Generator<InputSlot> {
  for (const input of inputs) {
    const name = parent + input.name;
    if (input.autogrow) yield* grown(input, parent, linked);
    else if (input.socket) yield slotOf(name, input);
    if (input.widget?.kind !== "dynamic-combo") continue;
    const chosen = value(name) ?? input.initial ?? input.widget.default;
    const option = input.widget.options.find((candidate) => candidate.key === chosen);
    yield* wanted(option?.inputs ?? [], `${name}.`, value, linked);
  }
}

/** One free slot after the last that is wired, and never fewer than the least number. */
function* grown(input: InputDef, parent: string, linked: ReadonlySet<string>): Generator<InputSlot> {
  const { names = [], min = 0, type = "*" } = input.autogrow ?? {};
  const last = names.findLastIndex((name) => linked.has(parent + name));
  for (const [index, name] of names.slice(0, Math.max(min, last + 2)).entries()) {
    const label = name.slice(name.lastIndexOf(".") + 1);
    const rest = index < min ? {} : { shape: OPTIONAL_SHAPE };
    yield { name: parent + name, type, link: null, label, implicit: true, rest };
  }
}

function slotOf(name: string, input: InputDef): InputSlot {
  const rest = input.optional && !input.widget ? { shape: OPTIONAL_SHAPE } : {};
  return {
    name,
    type: input.type,
    link: null,
    ...(input.widget && { widget: name }),
    ...(input.label !== input.name && !input.widget && { label: input.label }),
    implicit: true,
    rest,
  };
}

/**
 * The inputs a node should have, with links, labels and unknown keys of those that it has. Slots that the definition
 * does not know stay at the end while `keep` says so.
 */
export function reconcileInputs(
  existing: readonly InputSlot[],
  def: NodeDef,
  value: ValueOf,
  keep: (slot: InputSlot) => boolean = () => true,
): InputSlot[] {
  const linked = new Set(existing.filter((slot) => slot.link !== null).map((slot) => slot.name));
  const left = new Map<string, InputSlot>();
  for (const slot of existing) if (!left.has(slot.name) || slot.link !== null) left.set(slot.name, slot);
  const inputs = wantedInputs(def, value, linked).map((slot) => {
    const old = left.get(slot.name);
    left.delete(slot.name);
    return old ? merge(old, slot, isOpen(slot.type) || isMatch(def, slot.name)) : slot;
  });
  return [...inputs, ...existing.filter((slot) => left.get(slot.name) === slot && keep(slot))];
}

/** The old slot in its place in the definition. Its type is its own where the definition leaves the type open. */
function merge(old: InputSlot, slot: InputSlot, open: boolean): InputSlot {
  const { widget: _widget, ...plain } = old;
  return { ...plain, type: open ? old.type : slot.type, ...(slot.widget !== undefined && { widget: slot.widget }) };
}

function isOpen(type: string): boolean {
  return type === "*" || type === "";
}

function isMatch(def: NodeDef, name: string): boolean {
  return def.inputs.some((input) => input.match !== undefined && input.name === name);
}

/** Outputs go by number. Those that the definition lacks stay: something may be wired to them. */
export function reconcileOutputs(existing: readonly OutputSlot[], def: NodeDef): OutputSlot[] {
  const wantedOutputs = newOutputs(def);
  const merged = wantedOutputs.map((slot, index) => {
    const old = existing[index];
    if (!old) return slot;
    const open = isOpen(slot.type) || def.outputs[index]?.match !== undefined;
    return { ...old, name: slot.name || old.name, type: open ? old.type : slot.type, list: slot.list };
  });
  return [...merged, ...existing.slice(wantedOutputs.length)];
}

export function newOutputs(def: NodeDef): OutputSlot[] {
  return def.outputs.map(({ name, type, list }) => ({ name, type, list, rest: list ? { shape: LIST_SHAPE } : {} }));
}

/** Inputs of a node after a value or a link changed, where these decide which there are; else the very same list. */
export function adaptInputs(node: Node, def: NodeDef): readonly InputSlot[] {
  const varies = def.inputs.filter((input) => input.autogrow || input.widget?.kind === "dynamic-combo");
  if (varies.length === 0) return node.inputs;
  const own = (slot: InputSlot): boolean => varies.some((input) => slot.name.startsWith(`${input.name}.`));
  return reconcileInputs(
    node.inputs,
    def,
    (key) => node.widgets[key],
    (slot) => !own(slot),
  );
}
