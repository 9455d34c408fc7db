/** Choosing a sampler or a schedule by name: on the selected nodes that have such a list, else on a new node. */
import { type NodeId, type Point, setWidget, widgetsOf } from "../graph";
import type { Wire } from "../canvas/wire";
import type { Editor } from "./editor.svelte";
import { placeNode } from "./placing";

export type Part = "sampler" | "schedule";

/** What choosing does. `nodes`: whose list changes; none: a node of `type` is added. */
export interface Choice {
  readonly nodes: readonly { readonly id: NodeId; readonly key: string }[];
  readonly type: string;
}

const CHOOSERS: Readonly<Record<Part, { readonly kind: string; readonly node: string }>> = {
  sampler: { kind: "SAMPLER", node: "KSamplerSelect" },
  schedule: { kind: "SIGMAS", node: "BasicScheduler" },
};

/** What choosing would do now; a new node is the small one where something waits for what it gives. */
export function choiceOf({ document, view, stage }: Editor, part: Part, name: string, wire?: Wire): Choice | undefined {
  const { kind, node } = CHOOSERS[part];
  if (wire) return wire.start.side === "input" && wire.start.type === kind ? { nodes: [], type: node } : undefined;
  const nodes = [...view.selection.nodes].flatMap((id) => {
    const card = stage.graph.nodes.get(id);
    const entry = card && widgetsOf(document.defs, document.state, view.scope, card).find(({ widget, input }) => widget.kind === "combo" && !widget.multiple && isChooser(part, input?.name ?? "") && widget.options.includes(name));
    return entry && !stage.graph.nodes.get(id)?.inputs.some((slot) => slot.widget !== undefined && slot.name === entry.key && slot.link !== null) ? [{ id, key: entry.key }] : [];
  });
  const waits = [...stage.graph.nodes.values()].some(({ inputs }) => inputs.some((slot) => slot.type === kind && slot.link === null));
  const type = waits ? node : "KSampler";
  return nodes.length > 0 || document.def(type) ? { nodes, type } : undefined;
}

/** @param at graph units, for a new node. One undo step. */
export function choose(editor: Editor, part: Part, name: string, at: Point, wire?: Wire): void {
  const choice = choiceOf(editor, part, name, wire);
  if (!choice) return;
  const { document, view } = editor;
  document.transaction(part === "sampler" ? "Choose sampler" : "Choose schedule", () => {
    for (const { id, key } of choice.nodes) document.execute(setWidget(view.scope, id, key, name));
    if (choice.nodes.length > 0) return;
    const id = placeNode(editor, choice.type, at, wire);
    const node = document.graph(view.scope).nodes.get(id);
    const entry = node && widgetsOf(document.defs, document.state, view.scope, node).find(({ input }) => isChooser(part, input?.name ?? ""));
    if (entry) document.execute(setWidget(view.scope, id, entry.key, name));
  });
}

function isChooser(part: Part, name: string): boolean {
  return name.includes(part === "sampler" ? "sampler" : "schedule");
}
