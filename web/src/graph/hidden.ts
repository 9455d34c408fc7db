/** Threads that are not drawn: at both ends a name stands for them. Kept with the link, where the field keeps it too. */
import type { Command } from "./document";
import { linksFrom } from "./queries";
import type { Graph, GraphId, JsonObject, Link, NodeId } from "./types";

export function isHidden(link: Link): boolean {
  return link.rest.hidden === true;
}

/** Whether an output has threads, and all of them are hidden. */
export function hidesAll(graph: Graph, node: NodeId, slot?: number): boolean {
  const links = linksFrom(graph, node, slot);
  return links.length > 0 && links.every(isHidden);
}

/** Hide threads of outputs, or draw them again. Without a slot: all that leave the node. */
export function hideThreads(graph: GraphId, ends: Iterable<{ readonly node: NodeId; readonly slot?: number }>, hidden: boolean): Command {
  return {
    label: hidden ? "Hide threads" : "Show threads",
    apply(draft) {
      for (const { node, slot } of ends) {
        for (const link of [...linksFrom(draft.graph(graph), node, slot)]) {
          if (isHidden(link) === hidden) continue;
          const { hidden: _before, ...rest } = link.rest;
          draft.putLink(graph, { ...link, rest: hidden ? { ...rest, hidden: true } : (rest as JsonObject) });
        }
      }
    },
  };
}
