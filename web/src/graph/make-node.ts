/** A new node of a known type: its slots, default values and size. */
import type { NodeDef } from "./defs";
import { newOutputs, wantedInputs } from "./slots";
import type { JsonValue, Node, NodeId, Point, Size, WidgetValues } from "./types";
import { type WidgetEntry, layOut } from "./widgets";
import { MARKDOWN_NOTE, NOTE, REROUTE } from "./virtual-defs";

const ROW = 20;
const WIDGET_ROW = 24;
const TEXT_ROWS = 5;

export function makeNode(id: NodeId, def: NodeDef, pos: Point, values: WidgetValues = {}): Node {
  const widgets = defaultValues(def, values);
  const inputs = wantedInputs(def, (key) => widgets[key], new Set()).map(({ implicit: _implicit, ...slot }) => slot);
  const outputs = newOutputs(def);
  const properties = def.virtual ? {} : { "Node name for S&R": def.name };
  const node: Node = {
    id,
    type: def.name,
    pos,
    size: [0, 0],
    mode: 0,
    flags: {},
    inputs,
    outputs,
    properties,
    widgets,
    rest: {},
  };
  return { ...node, size: defaultSize(def, node) };
}

/** Every widget's value: those given, else the defaults. */
export function defaultValues(def: NodeDef, given: WidgetValues = {}): WidgetValues {
  const values: Record<string, JsonValue> = {};
  for (const entry of layOut(def, (key) => values[key])) values[entry.key] = given[entry.key] ?? entry.default;
  return values;
}

/** Size that holds the slots and widgets, in rows as the field draws them. */
export function defaultSize(def: NodeDef, node: Node): Size {
  if (def.name === REROUTE) return [75, 26];
  if (def.name === NOTE || def.name === MARKDOWN_NOTE) return [280, 140];
  const widgets = [...layOut(def, (key) => node.widgets[key])];
  const sockets = node.inputs.filter((slot) => slot.widget === undefined);
  const rows = Math.max(sockets.length, node.outputs.length);
  const tall = widgets.filter((entry) => entry.widget.kind === "string" && entry.widget.multiline).length;
  const height = 10 + rows * ROW + widgets.length * WIDGET_ROW + tall * TEXT_ROWS * ROW;
  return [
    tall > 0
      ? 400
      : widthFor(
          def,
          sockets.map((slot) => slot.name),
          widgets,
        ),
    Math.max(height, 46),
  ];
}

function widthFor(def: NodeDef, sockets: readonly string[], widgets: readonly WidgetEntry[]): number {
  const longest = (texts: readonly string[]): number => Math.max(0, ...texts.map((text) => text.length));
  const slots = longest(sockets) + longest(def.outputs.map((output) => output.name));
  const labels = longest(widgets.map((entry) => entry.label)) + (widgets.length > 0 ? 14 : 0);
  const letters = Math.max(slots + 6, labels, def.displayName.length + 4);
  return Math.min(400, Math.max(widgets.length > 0 ? 270 : 140, Math.round((letters * 8) / 10) * 10));
}
