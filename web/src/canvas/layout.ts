/** Boxes of all nodes of the graph on screen, kept in line with the document. */
import { BOUNDARY_INPUT, BOUNDARY_OUTPUT, type Change, type Graph, type GraphDocument, type GraphId, type Group, type GroupId, type Node, type NodeId, type Point, type Rect, ROOT, boundsOf, nodesInside, withBoundary } from "../graph";
import { overlaps } from "./camera";
import { Grid } from "./grid";
import { type Extras, NO_EXTRAS, type NodeBox, type Port, boxOf } from "./node-box";

/** Nodes keep at least this distance when one has grown towards the other. */
const GAP = 12;
const GROUP_MARGIN = 12;

/** What moves while the pointer holds it; written to the document when it is let go. */
interface Drag {
  readonly nodes: ReadonlySet<NodeId>;
  readonly groups: ReadonlySet<GroupId>;
  readonly by: Point;
}

export class Layout {
  readonly grid = new Grid<NodeId>();
  readonly #boxes = new Map<NodeId, NodeBox>();
  readonly #groups = new Map<GroupId, Rect>();
  readonly #drops = new Map<NodeId, number>();
  /** Nodes that a person has placed here: they were placed by what is seen, not by the file's sizes. */
  readonly #free = new Set<NodeId>();
  /** Heights without pictures and errors, which come and go. */
  readonly #plain = new Map<NodeId, number>();
  #drag: Drag | undefined;

  constructor(
    readonly document: GraphDocument,
    readonly scope: () => GraphId,
    readonly extras: (id: NodeId) => Extras = () => NO_EXTRAS,
  ) {}

  /** The graph on screen, a subgraph's inputs and outputs among its nodes. */
  get graph(): Graph {
    return withBoundary(this.document.graph(this.scope()));
  }

  get boxes(): ReadonlyMap<NodeId, NodeBox> {
    return this.#boxes;
  }

  /** A node's box where it is drawn now. */
  box(id: NodeId): NodeBox | undefined {
    const box = this.#boxes.get(id);
    if (!box || !this.#drag?.nodes.has(id)) return box;
    const [dx, dy] = this.#drag.by;
    return { ...box, x: box.x + dx, y: box.y + dy };
  }

  rect(id: NodeId): Rect | undefined {
    const box = this.box(id);
    return box && [box.x, box.y, box.width, box.height];
  }

  group(id: GroupId): Rect | undefined {
    const rect = this.#groups.get(id);
    if (!rect || !this.#drag?.groups.has(id)) return rect;
    return [rect[0] + this.#drag.by[0], rect[1] + this.#drag.by[1], rect[2], rect[3]];
  }

  get groups(): Iterable<GroupId> {
    return this.#groups.keys();
  }

  /** Everything, from the document. */
  rebuild(): void {
    const { nodes } = this.graph;
    this.#boxes.clear();
    this.#drops.clear();
    this.#plain.clear();
    this.#free.clear();
    this.grid.clear();
    for (const node of nodes.values()) this.#measure(node);
    this.settle();
  }

  /** @returns nodes whose box is another now. */
  follow(change: Change): ReadonlySet<NodeId> {
    const touched = change.graphs.get(this.scope());
    if (!touched) return new Set();
    const { nodes } = this.graph;
    const touchedNodes = this.scope() === ROOT ? touched.nodes : [...touched.nodes, BOUNDARY_INPUT, BOUNDARY_OUTPUT];
    const changed = new Set<NodeId>(touchedNodes);
    let grown = false;
    for (const id of touchedNodes) {
      const node = nodes.get(id);
      const before = this.#boxes.get(id);
      if (!node) this.#forget(id);
      else if (before) grown = this.#measure(node) || grown;
      else {
        this.#free.add(id);
        this.#measure(node);
      }
    }
    if (grown) for (const id of this.settle()) changed.add(id);
    else this.#frame();
    return changed;
  }

  /** Something beside the document changed what a node shows. */
  remeasure(ids: Iterable<NodeId>): ReadonlySet<NodeId> {
    const { nodes } = this.graph;
    const changed = new Set<NodeId>();
    let grown = false;
    for (const id of ids) {
      const node = nodes.get(id);
      if (!node) continue;
      const before = this.#boxes.get(id);
      grown = this.#measure(node) || grown;
      if (this.#boxes.get(id) !== before) changed.add(id);
    }
    if (grown) for (const id of this.settle()) changed.add(id);
    return changed;
  }

  /** Push down what lies under grown nodes, where the file had them apart. @returns nodes that were moved. */
  settle(): NodeId[] {
    const { nodes } = this.graph;
    const placed = new Grid<NodeId>();
    const moved: NodeId[] = [];
    for (const node of [...nodes.values()].sort((a, b) => a.pos[1] - b.pos[1])) {
      const drop = this.#dropOf(node, nodes, placed);
      if (drop !== (this.#drops.get(node.id) ?? 0)) {
        this.#drops.set(node.id, drop);
        this.#measure(node);
        moved.push(node.id);
      }
      const box = this.#boxes.get(node.id);
      if (box) placed.put(node.id, [box.x, box.y, box.width, box.height]);
    }
    this.#frame();
    return moved;
  }

  #dropOf(node: Node, nodes: ReadonlyMap<NodeId, Node>, placed: Grid<NodeId>): number {
    const box = this.#boxes.get(node.id);
    if (!box) return 0;
    const top = box.y - (this.#drops.get(node.id) ?? 0);
    let drop = 0;
    for (let round = 0; round < 20; round += 1) {
      let next = drop;
      for (const id of placed.query([box.x, top + drop - GAP, box.width, box.height + GAP])) {
        const above = nodes.get(id);
        const rect = placed.rect(id);
        if (!above || !rect) continue;
        if (!this.#apart(above, node)) continue;
        next = Math.max(next, rect[1] + rect[3] + GAP - top);
      }
      if (next === drop) return drop;
      drop = next;
    }
    return drop;
  }

  /** Whether one node was meant to lie above the other: so it is in the file, or so a person has put it. */
  #apart(above: Node, node: Node): boolean {
    const seen = this.#free.has(above.id) || this.#free.has(node.id);
    const meant = (each: Node): Rect => {
      const file = boundsOf(each);
      return seen ? [file[0], file[1], file[2], this.#plain.get(each.id) ?? file[3]] : file;
    };
    const [upper, lower] = [meant(above), meant(node)];
    return lower[1] - (upper[1] + upper[3]) >= -4 && !overlaps(upper, lower);
  }

  /** A person has put these where they are seen now. */
  release(ids: Iterable<NodeId>): void {
    for (const id of ids) {
      this.#free.add(id);
      this.#drops.delete(id);
    }
  }

  beginDrag(nodes: Iterable<NodeId>, groups: Iterable<GroupId> = []): void {
    this.#drag = { nodes: new Set(nodes), groups: new Set(groups), by: [0, 0] };
  }

  dragBy(by: Point): void {
    if (!this.#drag) return;
    this.#drag = { ...this.#drag, by };
    for (const id of this.#drag.nodes) {
      const rect = this.rect(id);
      if (rect) this.grid.put(id, rect);
    }
  }

  endDrag(): void {
    const drag = this.#drag;
    this.#drag = undefined;
    for (const id of drag?.nodes ?? []) {
      const rect = this.rect(id);
      if (rect) this.grid.put(id, rect);
    }
  }

  get dragged(): Drag | undefined {
    return this.#drag;
  }

  /** @returns whether its height changed. */
  #measure(node: Node): boolean {
    const before = this.#boxes.get(node.id);
    const extra = this.extras(node.id);
    const box = boxOf(node, this.document.defs, this.document.state, this.scope(), extra, this.#drops.get(node.id) ?? 0);
    this.#boxes.set(node.id, box);
    const bare = extra.pictures === 0 && extra.error === 0;
    this.#plain.set(node.id, bare ? box.height : boxOf(node, this.document.defs, this.document.state, this.scope(), NO_EXTRAS, 0).height);
    this.grid.put(node.id, [box.x, box.y, box.width, box.height]);
    return before !== undefined && before.height !== box.height;
  }

  #forget(id: NodeId): void {
    this.#boxes.delete(id);
    this.#drops.delete(id);
    this.#plain.delete(id);
    this.grid.remove(id);
  }

  /** Groups hold their nodes even where these have grown. */
  #frame(): void {
    const graph = this.graph;
    this.#groups.clear();
    for (const group of graph.groups.values()) this.#groups.set(group.id, this.#framed(group, nodesInside(graph, group)));
  }

  #framed(group: Group, inside: readonly NodeId[]): Rect {
    const [x, y, width, height] = group.bounds;
    let bottom = y + height;
    for (const id of inside) {
      const box = this.#boxes.get(id);
      if (box) bottom = Math.max(bottom, box.y + box.height + GROUP_MARGIN);
    }
    return [x, y, width, bottom - y];
  }
}

/** A port's place on the canvas. */
export function portAt(box: NodeBox, port: Port): Point {
  return [box.x + port.x, box.y + port.y];
}
