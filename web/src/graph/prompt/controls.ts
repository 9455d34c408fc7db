/** How seeds go on after a run (or before the next). */
import type { ComboWidget, FloatWidget, IntWidget, NodeDefs } from "../defs";
import type { Command } from "../document";
import type { DocumentState, GraphId, JsonValue, Node, NodeId, WidgetValues } from "../types";
import { Mode } from "../types";
import { withWidgets } from "../values";
import { type WidgetEntry, controlKey, valueOf, widgetsOf } from "../widgets";
import type { Random } from "./text";

/** The field draws seeds up to here, so that a double holds each. */
const LARGEST_SEED = 2 ** 50;

/**
 * Step every controlled widget that no wire feeds. Give it to `GraphDocument.executeQuietly`: it is no edit of the
 * user's, so undo passes over it (and undoing an edit of another widget leaves the new seed).
 */
export function applyControls(random: Random): Command {
  return {
    label: "Next seeds",
    apply(draft) {
      for (const [graph, node, values] of controlledValues(draft.defs, draft.state(), random)) {
        const { widgets } = draft.node(graph, node);
        draft.updateNode(graph, node, { widgets: withWidgets(widgets, values) });
      }
    },
  };
}

/** The next values, by graph and node; muted and bypassed nodes rest. */
export function controlledValues(
  defs: NodeDefs,
  state: DocumentState,
  random: Random,
): [GraphId, NodeId, WidgetValues][] {
  const changed: [GraphId, NodeId, WidgetValues][] = [];
  for (const graph of state.graphs.values()) {
    for (const node of graph.nodes.values()) {
      if (node.mode === Mode.Never || node.mode === Mode.Bypass) continue;
      const values = nextOfNode(node, widgetsOf(defs, state, graph.id, node), random);
      if (Object.keys(values).length > 0) changed.push([graph.id, node.id, values]);
    }
  }
  return changed;
}

function nextOfNode(node: Node, entries: readonly WidgetEntry[], random: Random): WidgetValues {
  const values: Record<string, JsonValue> = {};
  for (const entry of entries) {
    const control = entries.find(({ key }) => key === controlKey(entry.key));
    const fed = node.inputs.some((slot) => slot.widget === entry.key && slot.link !== null);
    if (!control || fed) continue;
    const before = valueOf(node, entry);
    const after = nextValue(entry, before, String(valueOf(node, control)), random);
    if (after !== before) values[entry.key] = after;
  }
  return values;
}

function nextValue(entry: WidgetEntry, value: JsonValue, mode: string, random: Random): JsonValue {
  const { widget } = entry;
  if (widget.kind === "int" || widget.kind === "float") return nextNumber(widget, value, mode, random);
  return widget.kind === "combo" ? nextChoice(widget, value, mode, random) : value;
}

/** Clamped to the widget's range. Seeds beyond 2^53 step exactly. */
function nextNumber(widget: IntWidget | FloatWidget, value: JsonValue, mode: string, random: Random): JsonValue {
  const [least, most] = [Math.max(-LARGEST_SEED, Number(widget.min)), Math.min(LARGEST_SEED, Number(widget.max))];
  if (mode === "randomize") {
    const steps = (most - least) / widget.step;
    return Math.floor(random() * steps) * widget.step + least;
  }
  if (mode !== "increment" && mode !== "decrement") return value;
  const sign = mode === "increment" ? 1 : -1;
  if (typeof value === "bigint" || (widget.kind === "int" && leavesExact(value, sign * widget.step)))
    return clampWhole(BigInt(value as number | bigint) + BigInt(sign) * BigInt(Math.round(widget.step)), widget);
  if (typeof value !== "number") return value;
  return Math.min(Number(widget.max), Math.max(Number(widget.min), value + sign * widget.step));
}

/** Whether a whole number steps out of those that a double tells apart. */
function leavesExact(value: JsonValue, step: number): boolean {
  return Number.isSafeInteger(value) && Number.isFinite(step) && !Number.isSafeInteger((value as number) + Math.round(step));
}

function clampWhole(value: bigint, { min, max }: IntWidget | FloatWidget): number | bigint {
  return value < min ? min : value > max ? max : asNumber(value);
}

function asNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function nextChoice(widget: ComboWidget, value: JsonValue, mode: string, random: Random): JsonValue {
  const { options } = widget;
  const at = options.findIndex((option) => option === value);
  const last = options.length - 1;
  const next = {
    increment: Math.min(last, at + 1),
    "increment-wrap": at >= last ? 0 : at + 1,
    decrement: Math.max(0, at - 1),
    randomize: Math.floor(random() * options.length),
  }[mode];
  return next === undefined ? value : (options[next] ?? value);
}
