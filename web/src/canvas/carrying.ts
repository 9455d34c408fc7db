/** Gestures that carry and size nodes and frames. The document hears of it when the pointer lets go. */
import {
  type Graph, type GroupId, type LinkId, type NodeId, type Point, type Rect, duplicate, fittingPair, insertOnLink, linksFrom, moveGroups, nodesInside,
  boundsAround, isBoundary, movePoint, placeNodes, resizeNode, setGroup,
} from "../graph";
import type { Gesture } from "./gestures";
import { HEADER, NO_EXTRAS, boxOf } from "./node-box";
import type { Palette } from "./palette";
import { type Guide, snapped, snappedToGrid } from "./snap";
import type { Stage } from "./stage.svelte";

/** Screen pixels within which edges stick. */
const REACH = 5;
/** The ground's dots lie twice as far apart. */
const GRID = 12;
/** With more nodes in sight, lines would only flicker. */
const MOST_GUIDES = 120;

/** Carry nodes, and frames with what lies in them. */
export class Move implements Gesture {
  #by: Point = [0, 0];
  #moved = false;
  #held: Rect | undefined;
  #others: readonly Rect[] = [];
  #guides: readonly Guide[] = [];

  constructor(
    readonly stage: Stage,
    readonly start: Point,
    readonly nodes: ReadonlySet<NodeId>,
    readonly groups: ReadonlySet<GroupId>,
    readonly options: { readonly clicked?: () => void; readonly copies?: boolean } = {},
  ) {}

  /** Copies of the nodes are carried, and lie where the originals were. */
  static ofCopies(stage: Stage, start: Point, nodes: ReadonlySet<NodeId>): Move {
    const { document, view } = stage.parts;
    document.begin("Duplicate");
    const pasted = document.execute(duplicate(view.scope, nodes));
    view.select(pasted.nodes);
    return new Move(stage, [start[0] + 40, start[1] + 40], new Set(pasted.nodes), new Set(), { copies: true });
  }

  move(at: Point, _screen: Point, event: PointerEvent): void {
    const by: Point = [at[0] - this.start[0], at[1] - this.start[1]];
    if (!this.#moved) {
      if (Math.hypot(...by) * this.stage.camera.scale < 3 && !this.options.copies) return;
      this.#moved = true;
      this.#look();
      this.stage.layout.beginDrag(this.nodes, this.groups);
    }
    this.#by = event.shiftKey ? (Math.abs(by[0]) > Math.abs(by[1]) ? [by[0], 0] : [0, by[1]]) : this.#snap(by, event);
    this.stage.dragBy(this.#by);
    this.stage.hoveredLink = this.#wireBeneath();
  }

  /** What is held, and what it could line up with: nodes in sight. */
  #look(): void {
    const { layout, seen } = this.stage;
    const rects = [...this.nodes].map((id) => layout.rect(id)).concat([...this.groups].map((id) => layout.group(id)));
    this.#held = boundsAround(rects.filter((rect) => rect !== undefined));
    const others = [...layout.grid.query(seen)].filter((id) => !this.nodes.has(id));
    this.#others = others.length > MOST_GUIDES ? [] : others.map((id) => layout.rect(id)).filter((rect) => rect !== undefined);
  }

  /** With Ctrl nothing sticks. */
  #snap(by: Point, event: PointerEvent): Point {
    const { snap, camera } = this.stage;
    const plain: Point = [Math.round(by[0]), Math.round(by[1])];
    this.#guides = [];
    if (!this.#held || event.ctrlKey || event.metaKey || snap === "none") return plain;
    if (snap === "grid") return snappedToGrid(this.#held, by, GRID);
    const found = snapped(this.#held, by, this.#others, REACH / camera.scale);
    this.#guides = found.guides;
    return [found.guides.some(({ axis }) => axis === 0) ? found.by[0] : plain[0], found.guides.some(({ axis }) => axis === 1) ? found.by[1] : plain[1]];
  }

  end(): void {
    const { document, view } = this.stage.parts;
    const { layout } = this.stage;
    if (!this.#moved) {
      if (this.options.copies) document.commit();
      this.options.clicked?.();
      return;
    }
    const places = [...this.nodes].flatMap((id): [NodeId, Point][] => {
      const box = layout.box(id);
      return box ? [[id, [box.x, box.y + box.header]]] : [];
    });
    const wire = this.#wireBeneath();
    this.stage.hoveredLink = undefined;
    const groups = [...this.groups];
    layout.endDrag();
    layout.release(this.nodes);
    const work = (): void => {
      if (groups.length > 0) document.execute(moveGroups(view.scope, groups, this.#by, []));
      document.execute(placeNodes(view.scope, places));
      const [first] = this.nodes;
      if (wire !== undefined && first !== undefined) document.execute(insertOnLink(view.scope, first, wire));
    };
    if (this.options.copies) {
      work();
      document.commit();
    } else document.transaction(groups.length > 0 ? "Move group" : "Move", work);
  }

  cancel(): void {
    this.stage.hoveredLink = undefined;
    this.stage.endDrag();
    if (this.options.copies) this.stage.parts.document.rollback();
  }

  /** Lines on which what is carried lies with others. */
  paint(context: CanvasRenderingContext2D, palette: Palette, ratio: number): void {
    if (this.#guides.length === 0) return;
    const { scale, offset } = this.stage.camera;
    context.setTransform(scale * ratio, 0, 0, scale * ratio, offset[0] * scale * ratio, offset[1] * scale * ratio);
    context.strokeStyle = palette.accent;
    context.lineWidth = 1 / scale;
    context.beginPath();
    for (const { axis, at, from, to } of this.#guides) {
      context.moveTo(...(axis === 0 ? [at, from] : [from, at]) as [number, number]);
      context.lineTo(...(axis === 0 ? [at, to] : [to, at]) as [number, number]);
    }
    context.stroke();
  }

  /** A node that hands nothing on yet would be woven into a thread it is carried over; a ControlNet may have its model and picture before. */
  #wireBeneath(): LinkId | undefined {
    const [id, another] = this.nodes;
    if (id === undefined || another !== undefined || this.groups.size > 0 || isBoundary(id)) return undefined;
    const { graph, layout, hits } = this.stage;
    const box = layout.box(id);
    const node = graph.nodes.get(id);
    if (!box || !node || linksFrom(graph, id).length > 0) return undefined;
    return hits.link([box.x + box.width / 2, box.y + Math.min(box.height, 52) / 2], 22, (wire) => fittingPair(graph, wire, node) !== undefined);
  }
}

export class Resize implements Gesture {
  readonly cursor = "nwse-resize";
  #begun = false;

  constructor(
    readonly stage: Stage,
    readonly start: Point,
    readonly node: NodeId,
  ) {
    this.#from = this.stage.layout.rect(node) ?? [0, 0, 0, 0];
  }

  readonly #from: Rect;

  move(at: Point): void {
    const { document, view } = this.stage.parts;
    if (!this.#begun) document.begin("Resize");
    this.#begun = true;
    const width = Math.max(140, Math.round(this.#from[2] + at[0] - this.start[0]));
    const height = Math.max(20, Math.round(this.#from[3] - HEADER + at[1] - this.start[1]));
    const node = this.stage.graph.nodes.get(this.node);
    if (!node) return;
    const least = boxOf({ ...node, size: [width, 0] }, document.defs, document.state, view.scope, this.stage.parts.extras(this.node) ?? NO_EXTRAS, 0).height - HEADER;
    document.execute(resizeNode(view.scope, this.node, [width, Math.max(least, height)]));
  }

  end(): void {
    if (this.#begun) this.stage.parts.document.commit();
  }

  cancel(): void {
    if (this.#begun) this.stage.parts.document.rollback();
  }
}

/** Carry a point of a thread. */
export class MovePoint implements Gesture {
  readonly cursor = "grabbing";
  #begun = false;

  constructor(
    readonly stage: Stage,
    readonly point: number,
  ) {}

  move([x, y]: Point): void {
    const { document, view } = this.stage.parts;
    if (!this.#begun) document.begin("Move a point");
    this.#begun = true;
    document.execute(movePoint(view.scope, this.point, [Math.round(x), Math.round(y)]));
  }

  end(): void {
    if (this.#begun) this.stage.parts.document.commit();
  }

  cancel(): void {
    if (this.#begun) this.stage.parts.document.rollback();
  }
}

export class ResizeGroup implements Gesture {
  readonly cursor = "nwse-resize";
  #begun = false;

  constructor(
    readonly stage: Stage,
    readonly group: GroupId,
  ) {}

  move([x, y]: Point): void {
    const { document, view } = this.stage.parts;
    const bounds = this.stage.graph.groups.get(this.group)?.bounds;
    if (!bounds) return;
    if (!this.#begun) document.begin("Resize group");
    this.#begun = true;
    document.execute(setGroup(view.scope, this.group, { bounds: [bounds[0], bounds[1], Math.max(80, x - bounds[0]), Math.max(60, y - bounds[1])] }));
  }

  end(): void {
    if (this.#begun) this.stage.parts.document.commit();
  }

  cancel(): void {
    if (this.#begun) this.stage.parts.document.rollback();
  }
}

/** Nodes that go along with frames that are carried. */
export function insideGroups(graph: Graph, groups: Iterable<GroupId>): Set<NodeId> {
  return new Set([...groups].flatMap((id) => {
    const group = graph.groups.get(id);
    return group ? nodesInside(graph, group) : [];
  }));
}
