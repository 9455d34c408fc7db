/** Which widgets a node has just now, in the order in which files list their values. */
import type { ComboWidget, ControlMode, InputDef, NodeDef, NodeDefs, Widget } from "./defs";
import type { DocumentState, GraphId, JsonValue, Node } from "./types";
import { isObject } from "./values";
import { PRIMITIVE } from "./virtual-defs";

/**
 * What a widget is for: `value` goes into the prompt; `control` says how a seed goes on after a run; `filter` narrows
 * a combo's control; `upload` is a button; `forced` stands for a dummy value of old files and is never shown.
 */
export type WidgetRole = "value" | "control" | "filter" | "upload" | "forced";

export interface WidgetEntry {
  /** Key in `Node.widgets`: the input's name; `name:control`, `name:filter`; `:upload`; `parent.sub` in dynamic combos. */
  readonly key: string;
  /** Its name in files of the field. */
  readonly name: string;
  readonly label: string;
  readonly role: WidgetRole;
  readonly widget: Widget;
  readonly default: JsonValue;
  readonly input?: InputDef;
}

export function controlKey(key: string): string {
  return `${key}:control`;
}

export const UPLOAD_KEY = ":upload";
/** Key of a primitive's one value. */
export const PRIMITIVE_KEY = "value";

export function valueOf(node: Node, entry: WidgetEntry): JsonValue {
  return node.widgets[entry.key] ?? (Object.hasOwn(node.widgets, entry.key) ? null : entry.default);
}

/** The widgets of a node in the state it is in. None for a type that nobody knows. */
export function widgetsOf(defs: NodeDefs, state: DocumentState, graph: GraphId, node: Node): WidgetEntry[] {
  if (node.type === PRIMITIVE) return primitiveWidgets(defs, state, graph, node);
  const def = defs.of(state, node.type);
  return def ? [...layOut(def, (key) => node.widgets[key])] : [];
}

/**
 * Widgets in file order. After a dynamic combo is yielded its value is asked for, to choose what follows; so a reader
 * of files can store each value as it comes.
 */
export function* layOut(
  def: NodeDef,
  value: (key: string) => JsonValue | undefined,
  options: { readonly forced?: boolean } = {},
): Generator<WidgetEntry> {
  let uploadDue = def.inputs.some(
    ({ optional, widget }) => !optional && widget?.kind === "combo" && widget.upload && !isModelFile(widget),
  );
  for (const input of def.inputs) {
    if (uploadDue && input.optional) {
      yield uploadEntry;
      uploadDue = false;
    }
    yield* layOutInput(input, input.name, value, options.forced === true);
  }
  if (uploadDue) yield uploadEntry;
}

function* layOutInput(
  input: InputDef,
  key: string,
  value: (key: string) => JsonValue | undefined,
  withForced: boolean,
): Generator<WidgetEntry> {
  if (!input.widget) {
    if (input.forced && withForced) yield forcedEntry(key, input);
    return;
  }
  const { widget } = input;
  const preset = input.initial ?? widget.default;
  yield { key, name: key, label: input.label, role: "value", widget, default: preset, input };
  if (widget.control) yield* controlEntries(key, widget, widget.control);
  if (isModelFile(widget)) yield* MODEL_BUTTONS;
  if (widget.kind !== "dynamic-combo") return;
  const chosen = value(key) ?? preset;
  const option = widget.options.find((candidate) => candidate.key === chosen);
  for (const sub of option?.inputs ?? []) yield* layOutInput(sub, `${key}.${sub.name}`, value, withForced);
}

function button(key: string, name: string, label: string, value: string): WidgetEntry {
  return {
    key,
    name,
    label,
    role: "upload",
    widget: { kind: "other", type: "UPLOAD", default: value },
    default: value,
  };
}

const uploadEntry = button(UPLOAD_KEY, "upload", "upload", "image");
/** A file of a 3D model has its buttons at once after it, and each has its place in the list of values. */
const MODEL_BUTTONS: readonly WidgetEntry[] = [
  button(UPLOAD_KEY, "upload 3d model", "upload", "upload3dmodel"),
  button(":upload-extra", "upload extra resources", "upload-more", "uploadExtraResources"),
  button(":clear", "clear", "clear", "clear"),
];

function isModelFile(widget: Widget): boolean {
  return widget.kind === "combo" && (widget.upload?.kind === "file" || widget.upload?.kind === "mesh");
}

function forcedEntry(key: string, input: InputDef): WidgetEntry {
  const widget: Widget = { kind: "other", type: input.type, default: null };
  return { key, name: key, label: input.label, role: "forced", widget, default: null, input };
}

function controlEntries(key: string, widget: Widget, preset: ControlMode): WidgetEntry[] {
  const modes: ControlMode[] = ["fixed", "increment", "decrement", "randomize"];
  const combo = widget.kind === "combo";
  const control: ComboWidget = {
    kind: "combo",
    default: preset,
    options: combo ? [...modes, "increment-wrap"] : modes,
    multiple: false,
  };
  const entry: WidgetEntry = {
    key: controlKey(key),
    name: "control_after_generate",
    label: "after-run",
    role: "control",
    widget: control,
    default: preset,
  };
  if (!combo) return [entry];
  const filter: Widget = { kind: "string", default: "", multiline: false, dynamicPrompts: false };
  return [
    entry,
    { key: `${key}:filter`, name: "control_filter_list", label: "filter", role: "filter", widget: filter, default: "" },
  ];
}

/** A primitive looks like the widget that it is wired to first; alone, like the value that it holds. */
function primitiveWidgets(defs: NodeDefs, state: DocumentState, graph: GraphId, node: Node): WidgetEntry[] {
  const target = primitiveTarget(defs, state, graph, node);
  const held = node.widgets[PRIMITIVE_KEY];
  if (!target && held === undefined) return [];
  const widget = target?.widget ?? widgetLike(held ?? null);
  const label = target?.label ?? PRIMITIVE_KEY;
  const preset = target?.default ?? widget.default;
  const value: WidgetEntry = { key: PRIMITIVE_KEY, name: PRIMITIVE_KEY, label, role: "value", widget, default: preset };
  const controlled = widget.kind === "int" || widget.kind === "float" || widget.kind === "combo";
  return controlled ? [value, ...controlEntries(PRIMITIVE_KEY, widget, "fixed")] : [value];
}

function primitiveTarget(defs: NodeDefs, state: DocumentState, graph: GraphId, node: Node): WidgetEntry | undefined {
  const level = state.graphs.get(graph);
  for (const link of level?.links.values() ?? []) {
    if (link.from.node !== node.id) continue;
    const target = level?.nodes.get(link.to.node);
    const slot = target?.inputs.find((input) => input.link === link.id);
    if (!target || target.type === PRIMITIVE || slot?.widget === undefined) continue;
    const entry = widgetsOf(defs, state, graph, target).find((candidate) => candidate.key === slot.widget);
    if (entry) return { ...entry, default: valueOf(target, entry) };
  }
  return undefined;
}

function widgetLike(value: JsonValue): Widget {
  if (typeof value === "boolean") return { kind: "boolean", default: value };
  if (typeof value === "bigint" || Number.isInteger(value)) {
    return {
      kind: "int",
      default: value as number | bigint,
      min: Number.MIN_SAFE_INTEGER,
      max: Number.MAX_SAFE_INTEGER,
      step: 1,
    };
  }
  if (typeof value === "number")
    return { kind: "float", default: value, min: -Infinity, max: Infinity, step: 0.1, round: 0 };
  if (typeof value === "string")
    return { kind: "string", default: value, multiline: value.includes("\n"), dynamicPrompts: false };
  return { kind: "other", type: isObject(value) ? "OBJECT" : "*", default: value };
}
