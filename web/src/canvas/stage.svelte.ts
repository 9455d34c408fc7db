/** The canvas at work: keeps boxes, elements and painting in line with the document and the camera. */
import { SvelteMap } from "svelte/reactivity";
import { type Camera, type Change, type EditorView, type Graph, type GraphDocument, type Link, type LinkId, type Node, type NodeId, type Point, type Rect, boundsAround, isHidden, pointsOf, withBoundary } from "../graph";
import { fitting, seen, toGraph } from "./camera";
import type { Gesture } from "./gestures";
import { Hits } from "./hit";
import { Layout } from "./layout";
import type { Extras, NodeBox } from "./node-box";
import { type Mark, Painter } from "./paint";
import { type Palette, readPalette } from "./palette";
import { Routes } from "./routes";
import type { Aim, Wire } from "./wire";

/** Under this, or with more nodes in sight, nodes are drawn and not built. */
const FAR_SCALE = 0.35;
const MOST_NEAR = 150;
/** Elements made, and taken away, in one frame. */
const MOUNTS = 12;
const UNMOUNTS = 24;
/** Screen pixels around the canvas in which elements are kept. */
const MARGIN = 160;

/** Which threads are drawn. */
export type Threads = "all" | "chosen";
/** What carried nodes stick to: edges of others, the ground's grid, nothing. */
export type Snapping = "guides" | "grid" | "none";
/** How a thread shows: as a line, or as names at both its ends. */
export type Thread = "drawn" | "named";

export interface Card {
  readonly node: Node;
  readonly box: NodeBox;
}

export interface StageParts {
  readonly document: GraphDocument;
  readonly view: EditorView;
  readonly extras: (id: NodeId) => Extras;
  readonly mark: (id: NodeId) => Mark;
}

interface Surface {
  readonly host: HTMLElement;
  readonly world: HTMLElement;
  readonly under: CanvasRenderingContext2D;
  readonly over: CanvasRenderingContext2D;
}

export class Stage {
  /** Nodes that have elements. */
  mounted = $state.raw<readonly NodeId[]>([]);
  far = $state(false);
  scale = $state(1);
  wire = $state.raw<Wire | undefined>();
  /** Where the thread being drawn would end. */
  aim = $state.raw<Aim | undefined>();
  selection = $state.raw<ReadonlySet<NodeId>>(new Set());
  /** Threads chosen by a click. */
  links = $state.raw<ReadonlySet<LinkId>>(new Set());
  hoveredLink: LinkId | undefined;
  /** Threads that a stroke is about to cut. */
  doomed: ReadonlySet<LinkId> = new Set();
  /** The pointer carries the canvas alone; fields can still be written in. */
  locked = $state(false);
  /** What nodes stick to while they are carried. */
  snap: Snapping = "guides";
  /** Which threads are drawn: all, or those at what is chosen. */
  #threads: Threads = "all";
  gesture: Gesture | undefined;
  readonly cards = new SvelteMap<NodeId, Card>();
  readonly layout: Layout;
  readonly routes: Routes;
  readonly hits: Hits;
  size: Point = [1, 1];
  /** Counts changes of what is drawn, the camera's aside. */
  drawn = 0;
  /** Told after every painted frame. */
  readonly painted = new Set<() => void>();
  readonly #painter = new Painter();
  readonly #elements = new Map<NodeId, HTMLElement>();
  readonly #unsubscribe: (() => void)[];
  #surface: Surface | undefined;
  #palette: Palette | undefined;
  #frame = 0;
  #extent: { readonly at: number; readonly rect: Rect | undefined } | undefined;

  constructor(readonly parts: StageParts) {
    const { document, view } = parts;
    this.layout = new Layout(document, () => view.scope, parts.extras);
    this.routes = new Routes(this.layout);
    this.hits = new Hits(this.layout, this.routes, () => this.graph, () => this.selection, (link) => this.threadOf(link) === "drawn");
    this.#unsubscribe = [
      document.subscribe((change) => this.#follow(change)),
      view.subscribe((part) => {
        if (part === "scope") this.rebuild();
        this.selection = view.selection.nodes;
        this.scale = view.camera.scale;
        this.invalidate();
      }),
    ];
    this.rebuild();
  }

  get graph(): Graph {
    return withBoundary(this.parts.document.graph(this.parts.view.scope));
  }

  get camera(): Camera {
    return this.parts.view.camera;
  }

  set threads(threads: Threads) {
    this.#threads = threads;
    this.redraw();
  }

  /** Threads that are hidden are drawn while one of their ends is chosen. */
  threadOf(link: Link): Thread {
    if (this.selection.has(link.from.node) || this.selection.has(link.to.node) || this.links.has(link.id)) return "drawn";
    return this.#threads === "chosen" || isHidden(link) ? "named" : "drawn";
  }

  get palette(): Palette | undefined {
    return this.#palette;
  }

  /** From the page's coordinates to the graph's. */
  pointAt(event: { readonly clientX: number; readonly clientY: number }): Point {
    return toGraph(this.camera, this.screenAt(event));
  }

  screenAt(event: { readonly clientX: number; readonly clientY: number }): Point {
    const rect = this.#surface?.host.getBoundingClientRect();
    return [event.clientX - (rect?.left ?? 0), event.clientY - (rect?.top ?? 0)];
  }

  /** Middle of what is seen. */
  get middle(): Point {
    return toGraph(this.camera, [this.size[0] / 2, this.size[1] / 2]);
  }

  get seen(): Rect {
    return seen(this.camera, this.size);
  }

  /** Bounds of these nodes, or of all there is. */
  boundsOf(ids: Iterable<NodeId> = this.layout.boxes.keys()): Rect | undefined {
    return boundsAround([...ids].map((id) => this.layout.rect(id)).filter((rect) => rect !== undefined));
  }

  /** Bounds of all nodes; asked every frame, so it is remembered. */
  get extent(): Rect | undefined {
    if (this.#extent?.at !== this.drawn) this.#extent = { at: this.drawn, rect: this.boundsOf() };
    return this.#extent.rect;
  }

  fit(ids?: Iterable<NodeId>): void {
    const bounds = this.boundsOf(ids);
    if (bounds) this.parts.view.setCamera(fitting(bounds, this.size));
  }

  attach(host: HTMLElement, world: HTMLElement, under: HTMLCanvasElement, over: HTMLCanvasElement): () => void {
    const [low, high] = [under.getContext("2d", { alpha: false }), over.getContext("2d")];
    if (!low || !high) throw new Error("This browser has no 2D canvas.");
    this.#surface = { host, world, under: low, over: high };
    this.readTheme();
    const observer = new ResizeObserver(() => this.#resize());
    observer.observe(host);
    this.#resize();
    return () => {
      observer.disconnect();
      cancelAnimationFrame(this.#frame);
      this.#frame = 0;
      this.#surface = undefined;
      this.#elements.clear();
      this.mounted = [];
    };
  }

  readTheme(): void {
    if (this.#surface) this.#palette = readPalette(this.#surface.host);
    this.invalidate();
  }

  /** For the element of a node: so that a drag can move it without asking anyone. */
  place = (element: HTMLElement, id: NodeId): { destroy: () => void } => {
    this.#elements.set(id, element);
    return { destroy: () => this.#elements.get(id) === element && this.#elements.delete(id) };
  };

  end(): void {
    for (const stop of this.#unsubscribe) stop();
    cancelAnimationFrame(this.#frame);
  }

  rebuild(): void {
    this.layout.rebuild();
    this.routes.clear();
    this.links = new Set();
    for (const id of [...this.cards.keys()]) if (!this.layout.boxes.has(id)) this.cards.delete(id);
    this.#refresh(this.layout.boxes.keys());
    this.redraw();
  }

  /** Pictures or errors came or went. */
  remeasure(ids: Iterable<NodeId>): void {
    const changed = this.layout.remeasure(ids);
    this.routes.forget(changed, this.graph);
    this.#refresh(changed);
    this.redraw();
  }

  #follow(change: Change): void {
    this.parts.view.follow(change, this.parts.document.state.graphs);
    if (change.origin === "load") return this.rebuild();
    const touched = change.graphs.get(this.parts.view.scope);
    const changed = this.layout.follow(change);
    if (touched?.meta && pointsOf(this.graph).size > 0) this.routes.clear();
    this.routes.forget(changed, this.graph, touched?.links);
    this.#refresh(changed);
    if (touched) this.links = new Set([...this.links].filter((id) => this.graph.links.has(id)));
    this.redraw();
  }

  #refresh(ids: Iterable<NodeId>): void {
    const { nodes } = this.graph;
    for (const id of ids) {
      const node = nodes.get(id);
      const box = this.layout.boxes.get(id);
      if (node && box) this.cards.set(id, { node, box });
      else this.cards.delete(id);
    }
  }

  /** Move what the pointer holds, in the view alone. */
  dragBy(by: Point): void {
    const drag = this.layout.dragged;
    if (!drag) return;
    this.layout.dragBy(by);
    this.routes.forget(drag.nodes, this.graph);
    for (const id of drag.nodes) this.#move(id);
    this.redraw();
  }

  endDrag(): void {
    const drag = this.layout.dragged;
    this.layout.endDrag();
    if (!drag) return;
    this.routes.forget(drag.nodes, this.graph);
    for (const id of drag.nodes) this.#move(id);
    this.redraw();
  }

  #move(id: NodeId): void {
    const box = this.layout.box(id);
    const element = this.#elements.get(id);
    if (box && element) element.style.transform = `translate(${box.x}px, ${box.y}px)`;
  }

  /** Something other than the camera changed. */
  redraw(): void {
    this.drawn += 1;
    this.invalidate();
  }

  invalidate = (): void => {
    if (this.#frame === 0 && this.#surface) this.#frame = requestAnimationFrame(this.#paint);
  };

  #paint = (): void => {
    this.#frame = 0;
    const [surface, palette] = [this.#surface, this.#palette];
    if (!surface || !palette) return;
    const { camera, graph } = this;
    const visible = this.layout.grid.query(this.seen);
    this.far = camera.scale < FAR_SCALE || visible.size > MOST_NEAR;
    const done = this.#mount(visible);
    surface.world.style.transform = `scale(${camera.scale}) translate(${camera.offset[0]}px, ${camera.offset[1]}px)`;
    const built = new Set(this.far ? [] : this.mounted);
    const ratio = devicePixelRatio;
    this.#painter.paint(surface.under, {
      graph,
      layout: this.layout,
      routes: this.routes,
      camera,
      size: this.size,
      ratio,
      palette,
      far: this.far,
      blocks: [...visible].filter((id) => !built.has(id)),
      selected: this.selection,
      selectedGroups: this.parts.view.selection.groups,
      selectedLinks: this.links,
      hoveredLink: this.hoveredLink,
      doomed: this.doomed,
      thread: (link) => this.threadOf(link),
      mark: this.parts.mark,
    });
    surface.over.setTransform(1, 0, 0, 1, 0, 0);
    surface.over.clearRect(0, 0, surface.over.canvas.width, surface.over.canvas.height);
    this.gesture?.paint?.(surface.over, palette, ratio);
    for (const listener of this.painted) listener();
    if (!done) this.invalidate();
  };

  /** Bring the elements nearer to what is in sight. @returns whether they are there. */
  #mount(visible: ReadonlySet<NodeId>): boolean {
    const margin = MARGIN / this.camera.scale;
    const [x, y, width, height] = this.seen;
    const near = this.far ? new Set<NodeId>() : this.layout.grid.query([x - margin, y - margin, width + 2 * margin, height + 2 * margin]);
    const kept: NodeId[] = [];
    let unmounts = 0;
    for (const id of this.mounted) {
      const gone = !this.cards.has(id);
      if (!gone && (near.has(id) || this.#inUse(id) || unmounts >= UNMOUNTS)) kept.push(id);
      else unmounts += 1;
    }
    const known = new Set(kept);
    const missing = [...visible].filter((id) => !known.has(id) && near.has(id));
    const further = missing.length < MOUNTS ? [...near].filter((id) => !known.has(id) && !visible.has(id)) : [];
    const fresh = [...missing, ...further].slice(0, MOUNTS);
    if (unmounts > 0 || fresh.length > 0) this.mounted = [...kept, ...fresh];
    return unmounts < UNMOUNTS && fresh.length === missing.length + further.length;
  }

  /** Someone writes in it, or holds it. */
  #inUse(id: NodeId): boolean {
    const element = this.#elements.get(id);
    return element !== undefined && element.contains(globalThis.document.activeElement);
  }

  #resize(): void {
    const surface = this.#surface;
    if (!surface) return;
    const { clientWidth, clientHeight } = surface.host;
    this.size = [clientWidth, clientHeight];
    for (const { canvas } of [surface.under, surface.over]) {
      canvas.width = Math.round(clientWidth * devicePixelRatio);
      canvas.height = Math.round(clientHeight * devicePixelRatio);
    }
    this.invalidate();
  }
}
