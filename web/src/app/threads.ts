/** Threads in words. */
import type { Editor } from "./editor.svelte";

export function threadWords({ stage, document }: Editor): { id: number; text: string }[] {
  const { graph } = stage;
  const title = (id: number | string): string => {
    const node = graph.nodes.get(id);
    return node?.title ?? document.def(node?.type ?? "")?.displayName ?? node?.type ?? String(id);
  };
  return [...graph.links.values()].map((link) => {
    const output = graph.nodes.get(link.from.node)?.outputs[link.from.slot]?.name ?? String(link.from.slot);
    return { id: link.id, text: `${title(link.from.node)} ${output} to ${title(link.to.node)} ${link.to.input}` };
  });
}
