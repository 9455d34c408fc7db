/** Outputs whose threads are not drawn: at both ends a name stands for them. Kept in the node's properties, so in files too. */
import type { Command } from "./document";
import type { Graph, GraphId, JsonObject, Link, Node, NodeId } from "./types";
import { isArray } from "./values";

const HIDDEN = "weft_hidden_outputs";

/** Numbers of the outputs whose threads are hidden. */
export function hiddenOutputs(node: Node): readonly number[] {
  const slots = node.properties[HIDDEN];
  return isArray(slots) ? slots.filter((slot) => typeof slot === "number") : [];
}

export function isHidden(graph: Graph, link: Link): boolean {
  const node = graph.nodes.get(link.from.node);
  return node !== undefined && HIDDEN in node.properties && hiddenOutputs(node).includes(link.from.slot);
}

/** Hide the threads of an output, or draw them again. Unknown nodes are passed over. */
export function hideOutputs(graph: GraphId, ends: Iterable<{ readonly node: NodeId; readonly slot: number }>, hidden: boolean): Command {
  return {
    label: hidden ? "Hide threads" : "Show threads",
    apply(draft) {
      for (const { node: id, slot } of ends) {
        const node = draft.graph(graph).nodes.get(id);
        if (!node) continue;
        const others = hiddenOutputs(node).filter((other) => other !== slot);
        const next = hidden ? [...others, slot].sort((a, b) => a - b) : others;
        const { [HIDDEN]: _before, ...rest } = node.properties;
        const properties: JsonObject = next.length > 0 ? { ...rest, [HIDDEN]: next } : rest;
        if (next.length !== hiddenOutputs(node).length) draft.updateNode(graph, id, { properties });
      }
    },
  };
}
