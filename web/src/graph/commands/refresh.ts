/** What becomes of a document when the server's list of nodes is read again. */
import type { NodeDefs } from "../defs";
import type { GraphDocument } from "../document";
import type { DocumentState, Graph, GraphId, NodeId } from "../types";
import { parseWorkflow } from "../workflow/parse";
import { serialize } from "../workflow/serialize";
import { replaceAll } from "./groups";

export interface UnknownNode {
  readonly graph: GraphId;
  readonly id: NodeId;
  readonly type: string;
}

/** Nodes whose type neither the server nor the document knows: a pack is missing. */
export function unknownNodes(state: DocumentState, defs: NodeDefs): UnknownNode[] {
  return [...state.graphs.values()].flatMap((graph) =>
    [...graph.nodes.values()]
      .filter((node) => !defs.of(state, node.type))
      .map(({ id, type }) => ({ graph: graph.id, id, type })),
  );
}

/**
 * Take a new list of nodes (new files in combos, a pack just installed). History stays; nodes that were unknown get
 * their slots and widgets, which is no undo step.
 */
export function refreshDefs(document: GraphDocument, defs: NodeDefs): void {
  const { state } = document;
  const found = unknownNodes(state, document.defs).filter(({ type }) => defs.get(type));
  const saved = found.length > 0 ? serialize(state, document.defs) : undefined;
  document.setDefs(defs);
  if (!saved) return;
  const { state: read } = parseWorkflow(saved, defs);
  const graphs = new Map([...state.graphs].map(([id, graph]) => [id, withNodesOf(graph, read.graphs.get(id), found)]));
  document.executeQuietly(replaceAll({ graphs }, "Refresh"));
}

/** The graph as it is, but for the nodes that have become known. */
function withNodesOf(graph: Graph, read: Graph | undefined, found: readonly UnknownNode[]): Graph {
  const nodes = new Map(graph.nodes);
  for (const { id, graph: place } of found) {
    const node = place === graph.id ? read?.nodes.get(id) : undefined;
    if (node) nodes.set(id, node);
  }
  return { ...graph, nodes };
}
