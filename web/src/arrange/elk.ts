/** A graph as ELK's layered layout reads it, and the places that it gives back. Ports keep their order, so threads cross little; frames keep their nodes. */
import type { ElkNode } from "elkjs/lib/elk-api.js";
import { type Graph, type Group, type GroupId, type NodeId, type Point, type Rect, isBoundary, nodesInside } from "../graph";

/** What a node looks like: its size, and how far down its left and right ports lie. */
export interface Shape {
  readonly width: number;
  readonly height: number;
  readonly inputs: ReadonlyMap<string, number>;
  readonly outputs: readonly number[];
}

export interface Arrangement {
  /** Top left corners of whole boxes. */
  readonly nodes: ReadonlyMap<NodeId, Point>;
  readonly groups: ReadonlyMap<GroupId, Rect>;
}

const FRAME = "[top=46,left=16,bottom=16,right=16]";
const OPTIONS = {
  "elk.algorithm": "layered",
  "elk.direction": "RIGHT",
  "elk.hierarchyHandling": "INCLUDE_CHILDREN",
  "elk.layered.spacing.nodeNodeBetweenLayers": "72",
  "elk.spacing.nodeNode": "28",
  "elk.spacing.componentComponent": "64",
  "elk.layered.nodePlacement.strategy": "NETWORK_SIMPLEX",
  "elk.layered.nodePlacement.favorStraightEdges": "true",
  "elk.layered.crossingMinimization.semiInteractive": "false",
  "elk.aspectRatio": "1.8",
};

export function elkGraph(graph: Graph, ids: Iterable<NodeId>, shapeOf: (id: NodeId) => Shape | undefined): ElkNode {
  const shapes = new Map<NodeId, Shape>();
  for (const id of ids) {
    const shape = shapeOf(id);
    if (shape) shapes.set(id, shape);
  }
  const frames = framesOf(graph, shapes);
  const inFrame = new Set([...frames.values()].flat());
  const node = (id: NodeId): ElkNode => elkNode(id, shapes.get(id) as Shape);
  const children: ElkNode[] = [...frames].filter(([, inside]) => inside.length > 0).map(([group, inside]) => ({ id: `g${group}`, children: inside.map(node), layoutOptions: { "elk.padding": FRAME } }));
  for (const id of shapes.keys()) if (!inFrame.has(id)) children.push(node(id));
  const edges = [...graph.links.values()].flatMap((link) => {
    const [from, to] = [shapes.get(link.from.node), shapes.get(link.to.node)];
    if (!from || !to || from.outputs[link.from.slot] === undefined || !to.inputs.has(link.to.input)) return [];
    return [{ id: `e${link.id}`, sources: [outId(link.from.node, link.from.slot)], targets: [inId(link.to.node, link.to.input)] }];
  });
  return { id: "root", layoutOptions: OPTIONS, children, edges };
}

/** A node in two frames belongs to the smaller. */
function framesOf(graph: Graph, shapes: ReadonlyMap<NodeId, Shape>): Map<GroupId, NodeId[]> {
  const area = ({ bounds }: Group): number => bounds[2] * bounds[3];
  const taken = new Set<NodeId>();
  const frames = new Map<GroupId, NodeId[]>();
  for (const group of [...graph.groups.values()].sort((a, b) => area(a) - area(b))) {
    const all = nodesInside(graph, group).filter((id) => !isBoundary(id));
    const inside = all.filter((id) => shapes.has(id) && !taken.has(id));
    if (all.some((id) => !shapes.has(id))) continue; // a frame of which only a part is arranged stays
    for (const id of inside) taken.add(id);
    frames.set(group.id, inside);
  }
  return frames;
}

function elkNode(id: NodeId, { width, height, inputs, outputs }: Shape): ElkNode {
  const ports = [
    ...[...inputs].map(([name, y]) => ({ id: inId(id, name), x: 0, y, width: 1, height: 1, layoutOptions: { "elk.port.side": "WEST" } })),
    ...outputs.map((y, slot) => ({ id: outId(id, slot), x: width - 1, y, width: 1, height: 1, layoutOptions: { "elk.port.side": "EAST" } })),
  ];
  return { id: nodeKey(id), width, height, ports, layoutOptions: { "elk.portConstraints": "FIXED_POS" } };
}

/** @param origin where the top left of all goes. */
export function placesOf(result: ElkNode, graph: Graph, origin: Point): Arrangement {
  const keys = new Map([...graph.nodes.keys()].map((id) => [nodeKey(id), id]));
  const nodes = new Map<NodeId, Point>();
  const groups = new Map<GroupId, Rect>();
  const put = (child: ElkNode, [x, y]: Point): void => {
    const at: Point = [Math.round(x + (child.x ?? 0)), Math.round(y + (child.y ?? 0))];
    const id = keys.get(child.id);
    if (id !== undefined) nodes.set(id, at);
    else {
      groups.set(Number(child.id.slice(1)), [at[0], at[1], Math.round(child.width ?? 0), Math.round(child.height ?? 0)]);
      for (const inner of child.children ?? []) put(inner, at);
    }
  };
  const [left, top] = [Math.min(...(result.children ?? []).map(({ x }) => x ?? 0)), Math.min(...(result.children ?? []).map(({ y }) => y ?? 0))];
  for (const child of result.children ?? []) put(child, [origin[0] - left, origin[1] - top]);
  return { nodes, groups };
}

function nodeKey(id: NodeId): string {
  return `${typeof id === "number" ? "n" : "t"}${id}`;
}

function inId(id: NodeId, name: string): string {
  return `${nodeKey(id)} in ${name}`;
}

function outId(id: NodeId, slot: number): string {
  return `${nodeKey(id)} out ${slot}`;
}
