/** Fields of a workflow that a form can show. */
import { type DocumentState, type Node, type NodeDefs, type NodeId, ROOT, type WidgetEntry, widgetsOf } from "../graph";
import { titleOfNode } from "../nodes/labels";

export interface FormField {
  readonly node: Node;
  readonly entry: WidgetEntry;
  /** What the node is called. */
  readonly title: string;
}

/** Nodes of the root from left to right, as they are read. */
export function nodesOf(state: DocumentState): readonly Node[] {
  return [...(state.graphs.get(ROOT)?.nodes.values() ?? [])].sort((a, b) => a.pos[0] - b.pos[0] || a.pos[1] - b.pos[1]);
}

/** Fields that a person fills in; those that a thread fills are none. */
export function fieldsOf(defs: NodeDefs, state: DocumentState): readonly FormField[] {
  return nodesOf(state).flatMap((node) => {
    const linked = new Set(node.inputs.flatMap((slot) => (slot.link === null || slot.widget === undefined ? [] : [slot.widget])));
    const entries = widgetsOf(defs, state, ROOT, node).filter(({ role, key, widget }) => role === "value" && widget.kind !== "other" && !linked.has(key));
    return entries.map((entry) => ({ node, entry, title: titleOfNode(node, defs.of(state, node.type)) }));
  });
}

export function outputsOf(defs: NodeDefs, state: DocumentState): readonly Node[] {
  return nodesOf(state).filter((node) => defs.get(node.type)?.isOutput === true);
}

export function fieldOf(fields: readonly FormField[], node: NodeId, name: string): FormField | undefined {
  return fields.find((field) => field.node.id === node && field.entry.name === name);
}

/** Address of a form. */
export function linkOf(path: string): string {
  const url = new URL(location.pathname, location.href);
  url.searchParams.set("form", path);
  return url.href;
}
