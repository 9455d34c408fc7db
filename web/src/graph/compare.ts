/** In what two states of a workflow differ, node by node. Where nodes lie and how large they are is counted, not named. */
import type { DocumentState, Graph, GraphId, Node, NodeId } from "./types";
import { jsonEqual } from "./values";

export interface Difference {
  readonly graph: GraphId;
  readonly id: NodeId;
  /** The node, of `one` if it is there. */
  readonly node: Node;
  /** Which state has it. */
  readonly in: "one" | "other" | "both";
  /** What differs: keys of widgets, names of inputs with another source, `type`, `title`, `mode`, `look`. */
  readonly parts: readonly string[];
}

export interface Comparison {
  readonly differences: readonly Difference[];
  /** How many nodes have only another place or size. */
  readonly moved: number;
}

/** Nodes are the same by their ids: two states of one file, not two files. */
export function compareStates(one: DocumentState, other: DocumentState): Comparison {
  const differences: Difference[] = [];
  let moved = 0;
  for (const graph of new Set([...one.graphs.keys(), ...other.graphs.keys()])) {
    const [left, right] = [one.graphs.get(graph), other.graphs.get(graph)];
    for (const id of new Set([...(left?.nodes.keys() ?? []), ...(right?.nodes.keys() ?? [])])) {
      const [mine, theirs] = [left?.nodes.get(id), right?.nodes.get(id)];
      const node = mine ?? theirs;
      if (!node) continue;
      if (!left || !right || !mine || !theirs) {
        differences.push({ graph, id, node, in: mine ? "one" : "other", parts: [] });
        continue;
      }
      const parts = partsOf(left, mine, right, theirs);
      if (parts.length > 0) differences.push({ graph, id, node, in: "both", parts });
      else if (!jsonEqual(mine.pos, theirs.pos) || !jsonEqual(mine.size, theirs.size)) moved += 1;
    }
  }
  return { differences, moved };
}

function partsOf(left: Graph, mine: Node, right: Graph, theirs: Node): string[] {
  const parts: string[] = [];
  if (mine.type !== theirs.type) parts.push("type");
  if (mine.title !== theirs.title) parts.push("title");
  if (mine.mode !== theirs.mode) parts.push("mode");
  for (const key of new Set([...Object.keys(mine.widgets), ...Object.keys(theirs.widgets)])) {
    if (!jsonEqual(mine.widgets[key], theirs.widgets[key])) parts.push(key);
  }
  const [from, to] = [sourcesOf(left, mine), sourcesOf(right, theirs)];
  for (const name of new Set([...from.keys(), ...to.keys()])) if (from.get(name) !== to.get(name) && !parts.includes(name)) parts.push(name);
  const looks = (node: Node) => [node.color ?? null, node.bgcolor ?? null, node.flags];
  if (!jsonEqual(looks(mine), looks(theirs))) parts.push("look");
  return parts;
}

/** Where each linked input of a node gets its value from. */
function sourcesOf(graph: Graph, node: Node): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const { name, link } of node.inputs) {
    const from = link === null ? undefined : graph.links.get(link)?.from;
    if (from) found.set(name, `${from.node} ${from.slot}`);
  }
  return found;
}
