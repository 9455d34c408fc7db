/** Threads in words. */
import { isBoundary } from "../graph";
import type { Editor } from "./editor.svelte";
import { t } from "../words";
import { titleOfNode } from "../nodes/labels";

export function threadWords({ stage, document }: Editor): { id: number; text: string }[] {
  const { graph } = stage;
  const title = (id: number | string): string => {
    const node = graph.nodes.get(id);
    return node ? titleOfNode(node, document.def(node.type)) : String(id);
  };
  return [...graph.links.values()].map((link) => {
    const output = graph.nodes.get(link.from.node)?.outputs[link.from.slot]?.name ?? String(link.from.slot);
    const input = isBoundary(link.to.node) ? graph.outputs.find(({ id }) => id === link.to.input)?.name : link.to.input;
    return { id: link.id, text: t("shell.thread", { from: title(link.from.node), output, to: title(link.to.node), input: input ?? "" }) };
  });
}
