/** Places for nodes in columns along the flow, for files without places and for people who ask for order. */
import { TITLE_HEIGHT, linksTo } from "./queries";
import type { Graph, Node, NodeId, Point } from "./types";

const COLUMN_GAP = 80;
const ROW_GAP = 30;

/** @returns a place for each of `ids` (all nodes if left out); the top left one goes to `origin`. */
export function arrange(
  graph: Graph,
  ids: Iterable<NodeId> = graph.nodes.keys(),
  origin: Point = [0, 0],
): Map<NodeId, Point> {
  const chosen = new Set(ids);
  const columns = new Map<number, Node[]>();
  const depths = new Map<NodeId, number>();
  for (const id of chosen) {
    const node = graph.nodes.get(id);
    if (!node) continue;
    const depth = depthOf(graph, id, chosen, depths);
    columns.set(depth, [...(columns.get(depth) ?? []), node]);
  }
  const places = new Map<NodeId, Point>();
  let x = origin[0];
  for (const [, column] of [...columns].sort(([a], [b]) => a - b)) {
    let y = origin[1] + TITLE_HEIGHT;
    for (const node of inReadingOrder(graph, column, places)) {
      places.set(node.id, [x, y]);
      y += node.size[1] + TITLE_HEIGHT + ROW_GAP;
    }
    x += Math.max(...column.map((node) => node.size[0])) + COLUMN_GAP;
  }
  return places;
}

/** Longest way from a node that reads nothing; a loop counts once. */
function depthOf(graph: Graph, start: NodeId, chosen: ReadonlySet<NodeId>, depths: Map<NodeId, number>): number {
  const sources = (id: NodeId): NodeId[] =>
    linksTo(graph, id)
      .map((link) => link.from.node)
      .filter((from) => chosen.has(from));
  const open: NodeId[] = [start];
  const entered = new Set<NodeId>();
  for (let id = open.at(-1); id !== undefined; id = open.at(-1)) {
    const waiting = entered.has(id) ? [] : sources(id).filter((from) => !depths.has(from) && !entered.has(from));
    entered.add(id);
    open.push(...waiting);
    if (waiting.length > 0) continue;
    open.pop();
    depths.set(id, Math.max(0, ...sources(id).map((from) => (depths.get(from) ?? -1) + 1)));
  }
  return depths.get(start) ?? 0;
}

/** Nodes of a column by the height of what they read, so that wires cross less. */
function inReadingOrder(graph: Graph, column: readonly Node[], places: ReadonlyMap<NodeId, Point>): Node[] {
  const height = (node: Node): number => {
    const heights = linksTo(graph, node.id).flatMap((link) => places.get(link.from.node)?.[1] ?? []);
    return heights.length > 0 ? heights.reduce((sum, y) => sum + y, 0) / heights.length : 0;
  };
  const heights = new Map(column.map((node) => [node.id, height(node)]));
  return column.toSorted((a, b) => (heights.get(a.id) ?? 0) - (heights.get(b.id) ?? 0));
}
