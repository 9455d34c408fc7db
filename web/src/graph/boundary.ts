/** The inputs and outputs of a subgraph as two nodes of it, for whoever draws and wires them. Files and commands know slots alone. */
import { TITLE_HEIGHT, boundsAround, boundsOf } from "./queries";
import type { BoundarySlot, Graph, InputSlot, LinkId, Node, NodeId, OutputSlot, Point, Rect } from "./types";
import { BOUNDARY_INPUT, BOUNDARY_OUTPUT, ROOT } from "./types";
import { isArray, isObject } from "./values";

/** Type of the two nodes: no server has one of that name. */
export const BOUNDARY = "weft boundary";
/** Name of the slot at the end, which makes a new one of what is wired to it. */
export const NEW_SLOT = "+";

const WIDTH = 150;
const ROW = 26;
const APART = 90;
/** What is written where nobody has placed them. */
const UNPLACED = [0, 0, 120, 60];

const known = new WeakMap<Graph, Graph>();

export function isBoundary(id: NodeId): boolean {
  return id === BOUNDARY_INPUT || id === BOUNDARY_OUTPUT;
}

/** A subgraph with its boundary among its nodes; the root as it is. */
export function withBoundary(graph: Graph): Graph {
  if (graph.id === ROOT || graph.nodes.has(BOUNDARY_INPUT)) return graph;
  let whole = known.get(graph);
  if (!whole) {
    whole = { ...graph, nodes: new Map([...graph.nodes, [BOUNDARY_INPUT, inputsNode(graph)], [BOUNDARY_OUTPUT, outputsNode(graph)]]) };
    known.set(graph, whole);
  }
  return whole;
}

function inputsNode(graph: Graph): Node {
  const outputs = [...graph.inputs, { name: NEW_SLOT, type: "*" }].map(
    ({ name, type, label }: { readonly name: string; readonly type: string; readonly label?: string }): OutputSlot => ({ name, type, label: label ?? name, list: false, rest: {} }),
  );
  return { ...bare(graph, BOUNDARY_INPUT, outputs.length), inputs: [], outputs };
}

function outputsNode(graph: Graph): Node {
  const ends = new Map<string, LinkId>();
  for (const link of graph.links.values()) if (link.to.node === BOUNDARY_OUTPUT) ends.set(link.to.input, link.id);
  const slots: readonly Pick<BoundarySlot, "id" | "name" | "type" | "label">[] = [...graph.outputs, { id: NEW_SLOT, name: NEW_SLOT, type: "*" }];
  const inputs = slots.map(({ id, name, type, label }): InputSlot => ({ name: id, type, link: ends.get(id) ?? null, label: label ?? name, rest: {} }));
  return { ...bare(graph, BOUNDARY_OUTPUT, inputs.length), inputs, outputs: [] };
}

function bare(graph: Graph, id: NodeId, rows: number): Omit<Node, "inputs" | "outputs"> {
  const height = rows * ROW;
  return { id, type: BOUNDARY, pos: placeOf(graph, id, height), size: [WIDTH, height], mode: 0, flags: {}, properties: {}, widgets: {}, rest: {} };
}

/** Where the file has it, else beside all nodes. */
function placeOf(graph: Graph, id: NodeId, height: number): Point {
  const told = isObject(graph.rest[keyOf(id)]) ? graph.rest[keyOf(id)] : undefined;
  const bounding = isObject(told) && isArray(told.bounding) ? told.bounding.map(Number) : UNPLACED;
  const [x = 0, y = 0] = bounding;
  if (bounding.length === 4 && bounding.every(Number.isFinite) && bounding.some((value, index) => value !== UNPLACED[index])) return [x, y + TITLE_HEIGHT];
  const bounds: Rect = boundsAround([...graph.nodes.values()].map(boundsOf)) ?? [0, 0, 0, 0];
  const middle = bounds[1] + bounds[3] / 2 - height / 2;
  return [id === BOUNDARY_INPUT ? bounds[0] - APART - WIDTH : bounds[0] + bounds[2] + APART, middle];
}

/** Key of what a definition says of where one of the two lies. */
export function keyOf(id: NodeId): "inputNode" | "outputNode" {
  return id === BOUNDARY_INPUT ? "inputNode" : "outputNode";
}

/** What a definition says of one of the two that is placed there. */
export function placedAt(graph: Graph, id: NodeId, [x, y]: Point): { readonly id: NodeId; readonly bounding: Rect } {
  const node = withBoundary(graph).nodes.get(id);
  return { id, bounding: [x, y - TITLE_HEIGHT, WIDTH, (node?.size[1] ?? ROW) + TITLE_HEIGHT] };
}
