/** Gestures that carry and size nodes and frames. The document hears of it when the pointer lets go. */
import {
  type Graph, type GroupId, type LinkId, type NodeId, type Point, type Rect, duplicate, fittingPair, insertOnLink, linksFrom, linksTo, moveGroups, nodesInside,
  placeNodes, resizeNode, setGroup,
} from "../graph";
import type { Gesture } from "./gestures";
import { HEADER, NO_EXTRAS, boxOf } from "./node-box";
import type { Stage } from "./stage.svelte";

/** Carry nodes, and frames with what lies in them. */
export class Move implements Gesture {
  #by: Point = [0, 0];
  #moved = false;

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
      this.stage.layout.beginDrag(this.nodes, this.groups);
    }
    this.#by = event.shiftKey ? (Math.abs(by[0]) > Math.abs(by[1]) ? [by[0], 0] : [0, by[1]]) : [Math.round(by[0]), Math.round(by[1])];
    this.stage.dragBy(this.#by);
    this.stage.hoveredLink = this.#wireBeneath();
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

  /** A free node that is carried over a thread it fits would be woven in. */
  #wireBeneath(): LinkId | undefined {
    const [id, another] = this.nodes;
    if (id === undefined || another !== undefined || this.groups.size > 0) return undefined;
    const { graph, layout, hits } = this.stage;
    const box = layout.box(id);
    const node = graph.nodes.get(id);
    if (!box || !node || linksTo(graph, id).length > 0 || linksFrom(graph, id).length > 0) return undefined;
    const link = hits.link([box.x + box.width / 2, box.y + Math.min(box.height, 52) / 2], 22);
    const wire = link === undefined ? undefined : graph.links.get(link);
    return wire && fittingPair(graph, wire, node) ? link : undefined;
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
