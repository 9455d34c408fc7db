/** Which rows a node has when packs have a hand in it: their widgets beside or instead of those of its definition. */
import type { ExtraField } from "../../canvas/node-box";
import { type ComboValue, type JsonValue, type Widget, type WidgetEntry, widgetsOf } from "../../graph";
import { DOMWidgetImpl, TextWidget, isHiddenWidget } from "../litegraph/widget";
import type { Loose, Open } from "../loose";
import type { Binding } from "../mirror/binding";
import { json } from "../mirror/values";
import { entryOf, keysOf } from "../mirror/widgets";
import { OwnKind } from "../weft";
import type { Surfaces } from "./surfaces";

const PITCH = 29;
const LEAST_TEXT = 64;
const LEAST_ELEMENT = 50;

/** @returns undefined if the node has just the rows of its definition. */
export function fieldsOf(binding: Binding, surfaces: Surfaces, node: Open): readonly ExtraField[] | undefined {
  const { document } = binding;
  const doc = document.state.graphs.get(node.graph?.id)?.nodes.get(node.id);
  if (!doc || node._unknown || node.subgraph) return undefined;
  const width = node._size[0];
  const rows: ExtraField[] = [];
  for (const [widget, key] of keysOf(node)) {
    if (binding.guard.run(() => isHiddenWidget(widget, width), "a widget's size", node)) continue;
    rows.push(rowOf(binding, surfaces, node, widget, key));
  }
  const usual = widgetsOf(document.defs, document.state, node.graph.id, doc).filter((entry) => entry.role !== "forced" && entry.input?.options.hidden !== true);
  const plain = rows.length === usual.length && rows.every(({ entry, face }, index) => face === undefined && entry === usual[index]);
  return plain ? undefined : rows;
}

function rowOf(binding: Binding, surfaces: Surfaces, node: Open, widget: Loose, key: string): ExtraField {
  const own = entryOf(widget);
  const asked = own?.widget.kind === "other" && own.role === "value"; // a type of widget that a pack has brought
  if (widget.kind instanceof OwnKind) return { entry: synthetic(widget, key), face: surfaces.own(node, widget, widget.kind), height: widget.kind.height + 4, grows: widget.kind.grows };
  const drawn = typeof widget.draw === "function" && !(widget instanceof DOMWidgetImpl);
  if (widget instanceof DOMWidgetImpl || (widget instanceof TextWidget && widget._area) || (!drawn && !(widget instanceof TextWidget) && widget.element instanceof HTMLElement)) {
    return { entry: synthetic(widget, key), face: surfaces.element(node, widget), ...elementHeight(node, widget) };
  }
  if (drawn) return { entry: own && !asked ? own : synthetic(widget, key), face: surfaces.drawing(node, widget), height: drawnHeight(widget, node._size[0]) + 4, grows: false };
  if (widget.type === "button" && own?.role !== "upload") return { entry: synthetic(widget, key), face: surfaces.button(node, widget), height: PITCH, grows: false };
  const entry = own && !asked ? current(own, widget) : { ...synthetic(widget, key), widget: kindOf(widget) };
  const tall = entry.widget.kind === "string" && entry.widget.multiline;
  void binding;
  return { entry, height: tall ? LEAST_TEXT : PITCH, grows: tall };
}

function drawnHeight(widget: Loose, width: number): number {
  const size: Loose = widget.computeSize?.(width);
  const height = Array.isArray(size) ? Number(size[1]) : Number(widget.computedHeight ?? 20);
  return Number.isFinite(height) ? Math.max(1, height) : 20;
}

function elementHeight(node: Open, widget: Loose): { height: number; grows: boolean } {
  const { options = {} } = widget;
  const style = widget.element ? getComputedStyle(widget.element) : undefined;
  const css = (name: string): number | undefined => {
    const value = Number.parseFloat(style?.getPropertyValue(name) ?? "");
    return Number.isFinite(value) ? value : undefined;
  };
  const asked: Loose = options.getHeight?.() ?? css("--comfy-widget-height");
  const share = typeof asked === "string" && asked.endsWith("%") ? (Number.parseFloat(asked) / 100) * node._size[1] : Number(asked);
  const fixed: Loose = widget.computeSize && !options.getHeight ? widget.computeSize(node._size[0])?.[1] : undefined;
  const layout: Loose = widget.computeLayoutSize?.(node);
  const least = Number(fixed ?? layout?.minHeight ?? options.getMinHeight?.() ?? css("--comfy-widget-min-height") ?? (Number.isFinite(share) ? share : widget instanceof TextWidget ? LEAST_TEXT : LEAST_ELEMENT));
  const most = Number(layout?.maxHeight ?? options.getMaxHeight?.() ?? css("--comfy-widget-max-height"));
  const height = Math.max(Number.isFinite(share) ? share : 0, Number.isFinite(least) ? least : LEAST_ELEMENT);
  return { height: height + 4, grows: fixed === undefined && !(Number.isFinite(most) && most <= height) };
}

/** A definition's widget with what a pack has changed of it: its label, the list that it offers. */
const known = new WeakMap<object, { readonly from: WidgetEntry; readonly mark: string; readonly entry: WidgetEntry }>();
function current(entry: WidgetEntry, widget: Loose): WidgetEntry {
  const label = typeof widget.label === "string" && widget.label !== entry.name ? widget.label : undefined;
  const values = entry.widget.kind === "combo" && entry.role === "value" ? choicesOf(widget) : undefined;
  const same = entry.widget.kind !== "combo" || !values || (values.length === entry.widget.options.length && values.every((value, index) => value === (entry.widget as { options: readonly ComboValue[] }).options[index]));
  if (label === undefined && same) return entry;
  const mark = `${label ?? ""}\n${same ? "" : values?.join("\n")}`;
  const before = known.get(widget);
  if (before?.from === entry && before.mark === mark) return before.entry;
  const made: WidgetEntry = { ...entry, ...(label !== undefined && { label }), ...(!same && { widget: { ...entry.widget, options: values } as Widget }) };
  known.set(widget, { from: entry, mark, entry: made });
  return made;
}

function choicesOf(widget: Loose): readonly ComboValue[] {
  const values: Loose = typeof widget.options?.values === "function" ? widget.options.values(widget, widget.node) : widget.options?.values;
  const list: Loose[] = Array.isArray(values) ? values : values ? Object.keys(values) : [];
  return list.map((value) => (typeof value === "object" && value !== null ? (value.content ?? String(value)) : value));
}

function synthetic(widget: Loose, key: string): WidgetEntry {
  const preset: JsonValue = json(widget.value);
  return { key, name: String(widget.name ?? key), label: String(widget.label ?? widget.name ?? key), role: "value", widget: { kind: "other", type: String(widget.type ?? "custom"), default: preset }, default: preset };
}

function kindOf(widget: Loose): Widget {
  const { type, options = {} } = widget;
  const preset = json(widget.value);
  if (type === "number" || type === "slider" || type === "knob") {
    const step = Number(options.step2 ?? (options.step === undefined ? 1 : options.step / 10)) || 1;
    const range = { min: Number(options.min ?? -Number.MAX_SAFE_INTEGER), max: Number(options.max ?? Number.MAX_SAFE_INTEGER), step, ...(type === "slider" && { display: "slider" }) };
    return options.precision === 0 ? { kind: "int", default: Number(preset), ...range } : { kind: "float", default: Number(preset), round: typeof options.round === "number" ? options.round : 0, ...range };
  }
  if (type === "combo") return { kind: "combo", default: preset as ComboValue, options: choicesOf(widget), multiple: false };
  if (type === "toggle") return { kind: "boolean", default: preset === true, ...(typeof options.on === "string" && { labelOn: options.on }), ...(typeof options.off === "string" && { labelOff: options.off }) };
  if (type === "text" || type === "string" || type === "customtext") return { kind: "string", default: String(preset ?? ""), multiline: type === "customtext" || options.multiline === true, dynamicPrompts: false };
  if (type === "color") return { kind: "color", default: String(preset ?? "#000000") };
  return { kind: "other", type: String(type ?? "custom"), default: preset };
}
