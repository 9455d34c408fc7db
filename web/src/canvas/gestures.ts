/** What a pointer can do while it is down: each gesture moves, ends, or is taken back. */
import {
  type Graph, type GroupId, type LinkId, type NodeId, type Point, type Rect, connect, disconnect, duplicate, fittingPair, insertOnLink, linksFrom, linksTo,
  moveGroups, moveLinkEnd, nodesInside, placeNodes, resizeNode, setGroup,
} from "../graph";
import { between, panned, toGraph } from "./camera";
import type { Hit } from "./hit";
import { portAt } from "./layout";
import { HEADER, NO_EXTRAS, boxOf } from "./node-box";
import { type Palette, colourOf } from "./palette";
import { wayBetween } from "./routes";
import type { Stage } from "./stage.svelte";
import { type Wire, type WireEnd, beginWire, fits, joined } from "./wire";

export interface Gesture {
  readonly cursor?: string;
  /** @param at graph units; `screen` pixels of the canvas. */
  move(at: Point, screen: Point, event: PointerEvent): void;
  end(event: PointerEvent): void;
  cancel(): void;
  paint?(context: CanvasRenderingContext2D, palette: Palette, ratio: number): void;
}

export class Pan implements Gesture {
  readonly cursor = "grabbing";
  #moved = false;
  #last: Point;

  constructor(
    readonly stage: Stage,
    start: Point,
    /** A click on the ground. */
    readonly clicked: () => void,
  ) {
    this.#last = start;
  }

  move(_at: Point, screen: Point): void {
    const [dx, dy] = [screen[0] - this.#last[0], screen[1] - this.#last[1]];
    if (!this.#moved && Math.hypot(dx, dy) < 3) return;
    this.#moved = true;
    this.#last = screen;
    this.stage.parts.view.setCamera(panned(this.stage.camera, dx, dy));
  }

  end(): void {
    if (!this.#moved) this.clicked();
  }

  cancel(): void {}
}

/** Draw a rectangle: what it touches is chosen. */
export class Box implements Gesture {
  readonly cursor = "crosshair";
  #to: Point;

  constructor(
    readonly stage: Stage,
    readonly start: Point,
    /** Chosen before, and kept. */
    readonly kept: ReadonlySet<NodeId>,
  ) {
    this.#to = start;
  }

  get #rect(): Rect {
    return between(this.start, this.#to);
  }

  move(at: Point): void {
    this.#to = at;
    const rect = this.#rect;
    const { layout, parts } = this.stage;
    const groups = [...layout.groups].filter((id) => {
      const group = layout.group(id);
      return group && group[0] >= rect[0] && group[1] >= rect[1] && group[0] + group[2] <= rect[0] + rect[2] && group[1] + group[3] <= rect[1] + rect[3];
    });
    parts.view.select([...this.kept, ...layout.grid.query(rect)], groups);
    this.stage.invalidate();
  }

  end(): void {
    this.stage.invalidate();
  }

  cancel(): void {
    this.stage.parts.view.select(this.kept);
  }

  paint(context: CanvasRenderingContext2D, palette: Palette, ratio: number): void {
    const { scale, offset } = this.stage.camera;
    const [x, y, width, height] = this.#rect;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.strokeStyle = palette.accent;
    context.fillStyle = palette.accent;
    const rect: Rect = [(x + offset[0]) * scale, (y + offset[1]) * scale, width * scale, height * scale];
    context.globalAlpha = 0.08;
    context.fillRect(...rect);
    context.globalAlpha = 1;
    context.strokeRect(...rect);
  }
}

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

/** Draw a thread from one port to another. */
export class Weave implements Gesture {
  readonly cursor = "crosshair";
  readonly #wire: Wire;
  readonly #anchor: Point;
  #at: Point;
  #moved = false;

  constructor(
    readonly stage: Stage,
    hit: Hit & { kind: "port" },
    start: Point,
    /** The thread was dropped where nothing is. */
    readonly dropped: (wire: Wire, at: Point, event: PointerEvent) => void,
  ) {
    const { graph, layout } = stage;
    const held = hit.side === "input" ? graph.nodes.get(hit.node)?.inputs.find((slot) => slot.name === hit.port.key)?.link : undefined;
    const link = held === null || held === undefined ? undefined : graph.links.get(held);
    const end: WireEnd = link
      ? { side: "output", node: link.from.node, slot: link.from.slot, type: graph.nodes.get(link.from.node)?.outputs[link.from.slot]?.type ?? link.type }
      : hit.side === "output"
        ? { side: "output", node: hit.node, slot: Number(hit.port.key), type: hit.port.type }
        : { side: "input", node: hit.node, input: String(hit.port.key), type: hit.port.type };
    this.#wire = beginWire(graph, end, link?.id);
    const box = layout.box(end.node);
    const port = end.side === "output" ? box?.outputs[end.slot] : box?.inputs.find(({ key }) => key === end.input);
    this.#anchor = box && port ? portAt(box, port) : start;
    this.#at = start;
  }

  move(at: Point): void {
    if (!this.#moved) this.stage.wire = this.#wire;
    this.#moved = true;
    this.#at = at;
    this.#aim(at);
    this.stage.invalidate();
  }

  /** The nearest port that fits, or the first of the node under the pointer. */
  #aim(at: Point): void {
    const { hits, layout, graph } = this.stage;
    const wire = this.#wire;
    const near = hits.port(at, 22 / Math.min(1, this.stage.camera.scale), (node, side, port) => fits(wire, node, side, port.type, port.field));
    const beneath = near ? undefined : hits.node(at);
    const wanted = wire.start.side === "output" ? beneath?.inputs : beneath?.outputs;
    const first = beneath && [...(wanted ?? [])]
      .filter((port) => fits(wire, beneath.id, wire.start.side === "output" ? "input" : "output", port.type, port.field))
      .sort((a, b) => Number(a.field) - Number(b.field) || Number(a.linked) - Number(b.linked))[0];
    const node = near?.node ?? beneath?.id;
    const port = near?.port ?? first;
    const box = node === undefined ? undefined : layout.box(node);
    this.stage.aim = node !== undefined && port && box && joined(graph, wire, node, port.key) ? { node, key: port.key, at: portAt(box, port) } : undefined;
  }

  end(event: PointerEvent): void {
    const { document, view } = this.stage.parts;
    const { aim, graph } = this.stage;
    const wire = this.#wire;
    this.#clear();
    if (!this.#moved) return;
    const ends = aim && joined(graph, wire, aim.node, aim.key);
    if (ends) {
      const same = wire.taken !== undefined && graph.links.get(wire.taken)?.to.node === ends.to.node && graph.links.get(wire.taken)?.to.input === ends.to.input;
      if (same) return;
      document.execute(wire.taken === undefined ? connect(view.scope, ends.from, ends.to) : moveLinkEnd(view.scope, wire.taken, ends.to));
    } else if (this.stage.hits.node(this.#at)) return;
    else if (wire.taken !== undefined) document.execute(disconnect(view.scope, [wire.taken]));
    else this.dropped(wire, this.#at, event);
  }

  cancel(): void {
    this.#clear();
  }

  #clear(): void {
    this.stage.wire = undefined;
    this.stage.aim = undefined;
    this.stage.invalidate();
  }

  paint(context: CanvasRenderingContext2D, palette: Palette, ratio: number): void {
    if (!this.#moved) return;
    const { scale, offset } = this.stage.camera;
    context.setTransform(scale * ratio, 0, 0, scale * ratio, offset[0] * scale * ratio, offset[1] * scale * ratio);
    const end = this.stage.aim?.at ?? this.#at;
    const [from, to] = this.#wire.start.side === "output" ? [this.#anchor, end] : [end, this.#anchor];
    context.strokeStyle = colourOf(palette, this.#wire.start.type);
    context.lineWidth = 2 / Math.min(1, scale);
    context.stroke(wayBetween(from, to).path);
    context.fillStyle = context.strokeStyle;
    context.beginPath();
    context.arc(end[0], end[1], this.stage.aim ? 6 : 4, 0, Math.PI * 2);
    context.fill();
  }
}

/** Two fingers: the point between them stays between them. */
export class Pinch {
  #last: { readonly middle: Point; readonly apart: number } | undefined;

  constructor(readonly stage: Stage) {}

  move(a: Point, b: Point): void {
    const middle: Point = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    const apart = Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
    const last = this.#last;
    this.#last = { middle, apart };
    if (!last) return;
    const { view } = this.stage.parts;
    const before = view.camera;
    const still = toGraph(before, last.middle);
    const scale = Math.min(3, Math.max(0.02, (before.scale * apart) / last.apart));
    view.setCamera({ scale, offset: [middle[0] / scale - still[0], middle[1] / scale - still[1]] });
  }
}

/** Nodes that go along with frames that are carried. */
export function insideGroups(graph: Graph, groups: Iterable<GroupId>): Set<NodeId> {
  return new Set([...groups].flatMap((id) => {
    const group = graph.groups.get(id);
    return group ? nodesInside(graph, group) : [];
  }));
}

