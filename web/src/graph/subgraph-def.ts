/** The definition that a subgraph gives to its instances. */
import type { InputDef, NodeDef, NodeDefs } from "./defs";
import type { BoundarySlot, DocumentState, Graph, JsonValue } from "./types";
import { BOUNDARY_INPUT } from "./types";
import { isObject } from "./values";
import { type WidgetEntry, valueOf, widgetsOf } from "./widgets";

/** Inner widget that a boundary input is wired to, if it is. */
export interface Promoted {
  readonly entry: WidgetEntry | undefined;
  readonly value: JsonValue;
}

/** @param context without it no input is known to be a widget. */
export function subgraphDef(
  graph: Graph,
  context?: { readonly state: DocumentState; readonly defs: NodeDefs },
): NodeDef {
  const inputs = graph.inputs.map((slot, index) => {
    const promoted = context && promotedWidget(context.state, graph, index, context.defs);
    return inputDef(slot, promoted);
  });
  return {
    name: graph.id,
    displayName: graph.name || "Subgraph",
    description: description(graph),
    category: "subgraph",
    module: "virtual",
    inputs,
    outputs: graph.outputs.map((slot) => ({ name: slot.name, type: slot.type, list: false, tooltip: "" })),
    isOutput: false,
    virtual: true,
    deprecated: false,
    experimental: false,
    api: false,
    aliases: [],
  };
}

/** The first widget wired to boundary input number `index`; undefined if only sockets are. */
export function promotedWidget(
  state: DocumentState,
  graph: Graph,
  index: number,
  defs: NodeDefs,
): Promoted | undefined {
  for (const link of graph.links.values()) {
    if (link.from.node !== BOUNDARY_INPUT || link.from.slot !== index) continue;
    const node = graph.nodes.get(link.to.node);
    const slot = node?.inputs.find((input) => input.link === link.id);
    if (!node || slot?.widget === undefined) continue;
    const entry = widgetsOf(defs, state, graph.id, node).find((candidate) => candidate.key === slot.widget);
    return { entry, value: entry ? valueOf(node, entry) : null };
  }
  return undefined;
}

function inputDef(slot: BoundarySlot, promoted: Promoted | undefined): InputDef {
  const base: InputDef = {
    name: slot.name,
    type: slot.type,
    optional: true,
    socket: true,
    forced: false,
    label: slot.label ?? slot.name,
    tooltip: "",
    lazy: false,
    advanced: false,
    options: {},
  };
  if (!promoted) return base;
  const { control: _control, ...widget } = promoted.entry?.widget ?? {
    kind: "other" as const,
    type: slot.type,
    default: null,
  };
  return { ...base, widget, initial: promoted.value };
}

function description(graph: Graph): string {
  const extra = graph.rest.extra;
  const told = isObject(extra) ? extra.BlueprintDescription : undefined;
  const own = graph.rest.description;
  return typeof own === "string" ? own : typeof told === "string" ? told : "";
}
