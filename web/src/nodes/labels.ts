/** What stands beside a field: the input's own label, or our word for a field that the canvas adds. */
import { NEW_SLOT, type NodeDef, type NodeId, type WidgetEntry, isBoundary, BOUNDARY_INPUT } from "../graph";
import { t } from "../words";

export function labelOf({ role, label }: Pick<WidgetEntry, "role" | "label">): string {
  if (role === "control") return t("nodes.after-run");
  if (role === "filter") return t("nodes.filter");
  if (role !== "upload") return label;
  return label === "upload-more" ? t("nodes.upload-more") : label === "clear" ? t("nodes.clear") : t("nodes.upload");
}

/** What is written at a slot of a node; that which makes a new one of a subgraph has no name. */
export function slotLabel(label: string, side: "input" | "output"): string {
  if (label !== NEW_SLOT) return label;
  return side === "output" ? t("nodes.new-input") : t("nodes.new-output");
}

/** What a node is called. */
export function titleOfNode(node: { readonly id: NodeId; readonly type: string; readonly title?: string } | undefined, def: NodeDef | undefined): string {
  if (!node) return "";
  if (isBoundary(node.id)) return node.id === BOUNDARY_INPUT ? t("nodes.inputs") : t("nodes.outputs");
  return node.title ?? def?.displayName ?? node.type;
}
