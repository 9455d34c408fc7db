/** The command that writes what scripts have changed: whole nodes, links and frames, as one step. */
import { type Command, type GraphId, type Group, type Link, type Node, type NodeId } from "../../graph";

/** What differs in one graph; undefined stands for what is gone. */
export interface Written {
  readonly graph: GraphId;
  readonly nodes: ReadonlyMap<NodeId, Node | undefined>;
  readonly links: ReadonlyMap<number, Link | undefined>;
  readonly groups: ReadonlyMap<number, Group | undefined>;
}

export function isEmpty({ nodes, links, groups }: Written): boolean {
  return nodes.size + links.size + groups.size === 0;
}

export function reflect(written: readonly Written[], label: string, coalesce: string): Command {
  return {
    label,
    coalesce,
    apply(draft) {
      for (const { graph, nodes, links, groups } of written) {
        if (!draft.state().graphs.has(graph)) continue;
        for (const [id, link] of links) {
          if (link) draft.putLink(graph, link);
          else draft.dropLink(graph, id);
        }
        for (const [id, node] of nodes) {
          if (node) draft.putNode(graph, node);
          else draft.dropNode(graph, id);
        }
        for (const [id, group] of groups) {
          if (group) draft.putGroup(graph, group);
          else draft.dropGroup(graph, id);
        }
      }
    },
  };
}
