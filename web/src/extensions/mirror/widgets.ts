/** Widgets of a definition as scripts see them, and which widget of a view holds which value of the document. */
import { type InputDef, type JsonValue, type NodeDef, type WidgetEntry, type WidgetValues } from "../../graph";
import { layOut } from "../../graph/widgets";
import type { Loose, Open } from "../loose";
import { json } from "./values";

/** Factories by type, as `ComfyWidgets` has them: scripts replace some and add others. */
export type Factories = Record<string, Loose>;

/** The widget that an input's definition asks for, made by whoever makes widgets of its type now. */
function makeOf(node: Open, entry: WidgetEntry, factories: Factories, app: Loose): Loose {
  const input = entry.input;
  if (!input || entry.role !== "value") return plain(node, entry);
  const asked: unknown = input.options.widgetType;
  const type = typeof asked === "string" && factories[asked] ? asked : input.widget?.kind === "combo" ? "COMBO" : input.type;
  const factory = factories[type];
  if (typeof factory !== "function") return plain(node, entry);
  const before = [...(node._widgets ?? [])];
  const made = factory(node, entry.name, specOf(input), app);
  const widget = made?.widget ?? made ?? node._widgets?.find((each: Loose) => !before.includes(each));
  if (!widget || typeof widget !== "object") return plain(node, entry);
  if (!node._widgets?.includes(widget)) node.addCustomWidget(widget);
  return widget;
}

/** The field's old form of an input: `[type or choices, options]`. */
export function specOf(input: InputDef): [Loose, Open] {
  const { control_after_generate: _control, ...options } = input.options as Open;
  const { widget } = input;
  if (widget?.kind === "combo") return [[...widget.options], { ...options, default: widget.default }];
  const preset = input.initial ?? widget?.default;
  return [input.type, { ...options, ...(preset !== undefined && preset !== null && { default: preset }) }];
}

function plain(node: Open, { widget, name, default: preset, role }: WidgetEntry): Loose {
  if (role === "upload") return node.addWidget("button", name, preset, undefined, { serialize: false });
  const options: Open = role === "control" || role === "filter" ? { serialize: false } : {};
  if (widget.kind === "combo") return node.addWidget("combo", name, preset, undefined, { ...options, values: [...widget.options] });
  if (widget.kind === "dynamic-combo") return node.addWidget("combo", name, preset, undefined, { ...options, values: widget.options.map(({ key }) => key) });
  if (widget.kind === "int" || widget.kind === "float")
    return node.addWidget("number", name, preset, undefined, { ...options, min: Number(widget.min), max: Number(widget.max), step: widget.step * 10, step2: widget.step, precision: widget.kind === "int" ? 0 : undefined });
  if (widget.kind === "boolean") return node.addWidget("toggle", name, preset, undefined, { ...options, on: widget.labelOn ?? "true", off: widget.labelOff ?? "false" });
  if (widget.kind === "string") return node.addWidget(widget.multiline ? "customtext" : "text", name, preset, undefined, options);
  return node.addWidget(widget.kind === "color" ? "color" : "custom", name, preset, undefined, options);
}

/** Give a new view the widgets of its definition, with the keys of their values. */
export function addDefined(node: Open, def: NodeDef, factories: Factories, app: Loose, values: WidgetValues = {}): void {
  let target: Loose;
  for (const entry of layOut(def, (key) => values[key])) addEntry(node, entry);

  function addEntry(into: Open, entry: WidgetEntry): void {
    const widget = makeOf(into, entry, factories, app);
    bind(widget, entry);
    if (entry.role === "value") target = widget;
    if ((entry.role === "control" || entry.role === "filter") && target) (target.linkedWidgets ??= []).push(widget);
  }
}

const ENTRY = Symbol("weft entry");
const KEY = Symbol("weft key");

/** What of the definition a widget stands for, if for anything. */
export function entryOf(widget: Open): WidgetEntry | undefined {
  return (widget as Loose)[ENTRY];
}
export function bind(widget: Open, entry: WidgetEntry): void {
  Object.defineProperty(widget, ENTRY, { value: entry, writable: true, configurable: true });
  Object.defineProperty(widget, KEY, { value: entry.key, writable: true, configurable: true });
}

/** Where the document keeps its value. Those of packs go by name; of several of one name the later ones get a number. */
export function keysOf(node: Open): ReadonlyMap<Loose, string> {
  const keys = new Map<Loose, string>();
  const taken = new Set<string>();
  for (const widget of node._widgets ?? []) {
    const own: string = (widget as Loose)[KEY] ?? String(widget.name ?? "");
    let key = own;
    for (let number = 2; taken.has(key); number += 1) key = `${own}#${number}`;
    taken.add(key);
    keys.set(widget, key);
  }
  return keys;
}

/** Values of a view's widgets over those that the document has; keys that packs have given up go. */
export function valuesOf(node: Open, before: WidgetValues): WidgetValues {
  const values: Record<string, JsonValue> = { ...before };
  const given = new Set<string>();
  let changed = false;
  for (const [widget, key] of keysOf(node)) {
    const entry = entryOf(widget);
    if (!entry && (widget.type === "button" || widget.serialize === false)) continue;
    given.add(key);
    const value = json(widget.value);
    if (Object.hasOwn(values, key) ? sameJson(values[key], value) : entry && sameJson(entry.default, value)) continue;
    values[key] = value;
    changed = true;
  }
  for (const key of (node._given as Set<string> | undefined) ?? []) {
    if (given.has(key) || !Object.hasOwn(values, key)) continue;
    delete values[key];
    changed = true;
  }
  node._given = new Set([...given].filter((key) => ![...keysOf(node)].some(([widget, each]) => each === key && entryOf(widget))));
  return changed ? values : before;
}

function sameJson(a: JsonValue | undefined, b: JsonValue): boolean {
  return a === b || (typeof a === "object" && typeof b === "object" && JSON.stringify(a) === JSON.stringify(b));
}

/** Whether a view has just the widgets of its definition, in its order: then files are written as without scripts. */
export function isPlain(node: Open, entries: readonly WidgetEntry[]): boolean {
  const widgets: readonly Loose[] = node._widgets ?? [];
  return node.onSerialize === undefined && node.serialize_widgets !== false && widgets.length === entries.length && widgets.every((widget, index) => entryOf(widget)?.key === entries[index]?.key);
}
