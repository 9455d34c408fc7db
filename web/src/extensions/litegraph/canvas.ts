/** The canvas as scripts see it: where the view stands, what is chosen, and what they patch on it. */
import type { Loose, Open } from "../loose";

/** What the canvas face asks of the editor on screen. */
export interface View {
  readonly scale: number;
  readonly offset: readonly [number, number];
  look(scale: number, offset: readonly [number, number]): void;
  readonly chosen: readonly Loose[];
  choose(nodes: readonly Loose[]): void;
  readonly graph: Loose;
  go(graph: Loose): void;
  readonly size: readonly [number, number];
  redraw(): void;
  /** From the page to graph units. */
  pointOf(event: Loose): readonly [number, number];
  ask(title: string, value: Loose, done: (value: string) => void, event: Loose): HTMLElement;
  search(event: Loose): void;
  arrange(): void;
  copy(): void;
  paste(): void;
  remove(): void;
}

export class LGraphCanvas {
  [key: string]: Loose;
  static active_canvas: Loose = null;
  static link_type_colors: Record<string, string> = { "-1": "#A86", number: "#AAA", node: "#DCA" };
  static node_colors: Record<string, Open> = {
    red: { color: "#322", bgcolor: "#533", groupcolor: "#A88" },
    brown: { color: "#332922", bgcolor: "#593930", groupcolor: "#b06634" },
    green: { color: "#232", bgcolor: "#353", groupcolor: "#8A8" },
    blue: { color: "#223", bgcolor: "#335", groupcolor: "#88A" },
    pale_blue: { color: "#2a363b", bgcolor: "#3f5159", groupcolor: "#3f789e" },
    cyan: { color: "#233", bgcolor: "#355", groupcolor: "#8AA" },
    purple: { color: "#323", bgcolor: "#535", groupcolor: "#a1309b" },
    yellow: { color: "#432", bgcolor: "#653", groupcolor: "#b58b2a" },
    black: { color: "#222", bgcolor: "#000", groupcolor: "#444" },
  };
  static onMenuNodeColors(): void {}
  static onShowPropertyEditor(): void {}
  static onGroupAdd(): void {}
  static onMenuNodeMode(): void {}
  static onMenuAdd(): void {}
  ds: Loose;
  canvas: HTMLCanvasElement;
  bgcanvas: HTMLCanvasElement;
  graph_mouse = [0, 0];
  mouse = [0, 0];
  last_mouse = [0, 0];
  last_mouse_position = [0, 0];
  last_mouseclick = 0;
  title_text_font = "600 14px Inter, sans-serif";
  inner_text_font = "12px Inter, sans-serif";
  node_title_color = "#999";
  default_link_color = "#9A9";
  default_connection_color_byType: Record<string, string> = {};
  default_connection_color: Open = {};
  clear_background_color = "#222";
  background_image: Loose = null;
  editor_alpha = 1;
  low_quality_zoom_threshold = 0.6;
  read_only = false;
  isDragging = false;
  pointer_is_down = false;
  dragging_canvas = false;
  align_to_grid = false;
  allow_dragnodes = true;
  allow_interaction = true;
  allow_searchbox = true;
  show_info = false;
  dirty_canvas = false;
  dirty_bgcanvas = false;
  connecting_links: Loose = null;
  node_widget: Loose = null;
  node_over: Loose = null;
  node_dragged: Loose = null;
  node_capturing_input: Loose = null;
  current_node: Loose = null;
  selected_group: Loose = null;
  selected_group_moving = false;
  highlighted_links: Open = {};
  visible_nodes: Loose[] = [];
  frame = 0;
  fps = 60;
  pointer: Open = { isDown: false, eDown: null };
  linkConnector: Open = { events: new EventTarget(), isConnecting: false };
  state: Open = { readOnly: false };
  subgraph: Loose = undefined;

  /** @param element what scripts draw on and listen at. */
  constructor(
    element: HTMLCanvasElement,
    public view: View,
  ) {
    this.canvas = this.bgcanvas = element;
    this.ds = camera(view);
    LGraphCanvas.active_canvas = this;
  }

  get graph(): Loose {
    return this.view.graph;
  }
  get selected_nodes(): Open {
    return Object.fromEntries(this.view.chosen.map((node) => [node.id, node]));
  }
  get selectedItems(): Set<Loose> {
    return new Set(this.view.chosen);
  }
  get visible_area(): number[] {
    const [width, height] = this.view.size;
    const [x, y] = this.view.offset;
    return [-x, -y, width / this.view.scale, height / this.view.scale];
  }

  getCurrentGraph(): Loose {
    return this.view.graph;
  }
  setGraph(graph: Loose): void {
    this.view.go(graph);
  }
  openSubgraph(graph: Loose): void {
    this.view.go(graph);
  }
  closeSubgraph(): void {
    this.view.go(this.view.graph?.rootGraph);
  }
  setDirty(front?: boolean, back?: boolean): void {
    this.dirty_canvas ||= front === true;
    this.dirty_bgcanvas ||= back === true;
    this.view.redraw();
  }
  draw(): void {
    this.view.redraw();
  }
  selectNode(node: Loose, add = false): void {
    this.selectNodes(node ? [node] : [], add);
  }
  selectNodes(nodes: Loose = this.view.graph._nodes, add = false): void {
    this.view.choose([...(add ? this.view.chosen : []), ...Object.values(nodes)]);
    this.onSelectionChange?.(this.selected_nodes);
  }
  select(item: Loose): void {
    this.selectNode(item, true);
  }
  deselect(item: Loose): void {
    this.view.choose(this.view.chosen.filter((node) => node !== item));
  }
  deselectNode(node: Loose): void {
    this.deselect(node);
  }
  deselectAllNodes(): void {
    this.view.choose([]);
  }
  deselectAll(): void {
    this.view.choose([]);
  }
  selectItems(items: Iterable<Loose>): void {
    this.view.choose([...items]);
  }
  processSelect(item: Loose): void {
    this.selectNode(item ?? undefined);
  }
  deleteSelected(): void {
    this.view.remove();
  }
  deleteSelectedNodes(): void {
    this.view.remove();
  }
  copyToClipboard(): void {
    this.view.copy();
  }
  pasteFromClipboard(): void {
    this.view.paste();
  }

  centerOnNode(item: Loose): void {
    const [width, height] = this.view.size;
    const { scale } = this.view;
    const [x, y] = [item.pos[0] + item.size[0] / 2, item.pos[1] + item.size[1] / 2];
    this.view.look(scale, [width / scale / 2 - x, height / scale / 2 - y]);
  }
  setZoom(scale: number, center?: ArrayLike<number>): void {
    const [cx, cy] = [center?.[0] ?? this.view.size[0] / 2, center?.[1] ?? this.view.size[1] / 2];
    const { scale: before, offset } = this.view;
    this.view.look(scale, [offset[0] + cx / scale - cx / before, offset[1] + cy / scale - cy / before]);
  }
  animateToBounds(): void {}
  convertEventToCanvasOffset(event: Loose): number[] {
    const [x, y] = this.view.pointOf(event);
    return [x, y];
  }
  convertCanvasToOffset(pos: number[]): number[] {
    return [(pos[0] ?? 0) / this.view.scale - this.view.offset[0], (pos[1] ?? 0) / this.view.scale - this.view.offset[1]];
  }
  convertOffsetToCanvas(pos: number[]): number[] {
    return [((pos[0] ?? 0) + this.view.offset[0]) * this.view.scale, ((pos[1] ?? 0) + this.view.offset[1]) * this.view.scale];
  }
  getWidgetAtCursor(node: Loose = this.node_over): Loose {
    return node?.getWidgetOnPos(this.graph_mouse[0], this.graph_mouse[1], true);
  }

  prompt(title = "", value: Loose = "", callback: Loose = undefined, event: Loose = undefined, _multiline?: boolean): HTMLElement {
    return this.view.ask(title, value, (text) => callback?.(text), event);
  }
  showSearchBox(event: Loose): void {
    this.view.search(event);
  }
  createDialog(html: string, options: Open = {}): HTMLElement {
    const dialog: Loose = document.createElement("div");
    dialog.className = "graphdialog";
    dialog.innerHTML = html;
    const at = options.event ?? { clientX: innerWidth / 2 - 100, clientY: innerHeight / 3 };
    dialog.style.left = `${options.position?.[0] ?? at.clientX}px`;
    dialog.style.top = `${options.position?.[1] ?? at.clientY}px`;
    dialog.close = () => dialog.remove();
    dialog.modified = () => {};
    document.body.append(dialog);
    return dialog;
  }
  showShowNodePanel(): void {}
  onNodeMoved(): void {}
  emitBeforeChange(): void {}
  emitAfterChange(): void {}
  emitEvent(): void {}
  isOverNodeInput(): number {
    return -1;
  }
  isAreaClicked(): boolean {
    return false;
  }
  resize(): void {}
  switchLiveMode(): void {}
  startRendering(): void {}
  stopRendering(): void {}
  adjustNodesSize(): void {}
  getNodeMenuOptions(node: Loose): Loose[] {
    return node?.getMenuOptions?.(this) ?? [];
  }
  getCanvasMenuOptions(): Loose[] {
    return [];
  }
  getGroupMenuOptions(): Loose[] {
    return [];
  }
  processContextMenu(): void {}
  processKey(): void {}
  processDrop(): void {}
  _mousedown_callback(event: Loose): void {
    forward(this.canvas, event);
  }
  _mousemove_callback(event: Loose): void {
    forward(this.canvas, event);
  }
  _mouseup_callback(event: Loose): void {
    forward(this.canvas, event);
  }
  _mousewheel_callback(event: Loose): void {
    forward(this.canvas, event);
  }
  _arrange(): void {
    this.view.arrange();
  }
}

/** An event of an element in a node, once more for the canvas around it. */
function forward(canvas: HTMLElement, event: Loose): void {
  canvas.closest("[data-testid=canvas]")?.dispatchEvent(new event.constructor(event.type, event));
}

/** `ds`: scripts write `scale`, `offset` and each of its numbers. */
function camera(view: View): Open {
  const offset = {} as Loose;
  for (const index of [0, 1] as const) {
    Object.defineProperty(offset, index, {
      enumerable: true,
      get: () => view.offset[index],
      set: (value: number) => view.look(view.scale, index === 0 ? [value, view.offset[1]] : [view.offset[0], value]),
    });
  }
  Object.defineProperty(offset, "length", { value: 2 });
  offset[Symbol.iterator] = function* (): Generator<number> {
    yield* view.offset;
  };
  return {
    min_scale: 0.1,
    max_scale: 10,
    get scale() { return view.scale; },
    set scale(scale: number) { view.look(scale, view.offset); },
    get offset() { return offset; },
    set offset(to: Loose) { view.look(view.scale, [to[0], to[1]]); },
    get visible_area() {
      const [width, height] = view.size;
      return [-view.offset[0], -view.offset[1], width / view.scale, height / view.scale];
    },
    state: { get offset() { return offset; }, get scale() { return view.scale; } },
    changeScale(scale: number) { view.look(scale, view.offset); },
    changeDeltaScale(factor: number) { view.look(view.scale * factor, view.offset); },
    reset() { view.look(1, [0, 0]); },
    toCanvasContext() {},
    convertOffsetToCanvas: (pos: number[]) => [((pos[0] ?? 0) + view.offset[0]) * view.scale, ((pos[1] ?? 0) + view.offset[1]) * view.scale],
    convertCanvasToOffset: (pos: number[]) => [(pos[0] ?? 0) / view.scale - view.offset[0], (pos[1] ?? 0) / view.scale - view.offset[1]],
  };
}

/** Drawing that is ours alone: these exist, do nothing, and whoever patches them is told of. */
export const REFUSED = [
  "drawNode", "drawGroups", "drawNodeWidgets", "drawNodeShape", "drawConnections", "renderLink", "computeVisibleNodes", "_processMiddleButton", "createDefaultNodeForSlot",
  "showLinkMenu", "showConnectionMenu", "processMouseDown", "processMouseMove", "processMouseUp", "processMouseWheel", "adjustMouseEvent", "drawFrontCanvas", "drawBackCanvas",
] as const;
const REFUSED_FIELDS = ["ctx", "bgctx", "render_canvas_border", "render_shadows", "render_connections_border", "render_connection_arrows", "render_link_tooltip", "links_render_mode"] as const;

/** @param told hears the name of what is patched. */
export function refuse(prototype: Open, told: (name: string) => void): void {
  for (const name of REFUSED) {
    const held = new WeakMap<object, Loose>();
    const nothing = { [name]() {} }[name];
    Object.defineProperty(prototype, name, {
      configurable: true,
      get(this: object) { return held.get(this) ?? held.get(prototype) ?? nothing; },
      set(this: object, value: Loose) { told(`LGraphCanvas.${name}`); held.set(this, value); },
    });
  }
  for (const name of REFUSED_FIELDS) {
    const held = new WeakMap<object, Loose>();
    Object.defineProperty(prototype, name, {
      configurable: true,
      get(this: object) { return held.get(this) ?? (name.endsWith("ctx") ? document.createElement("canvas").getContext("2d") : name === "links_render_mode" ? 2 : false); },
      set(this: object, value: Loose) { told(`LGraphCanvas.${name}`); held.set(this, value); },
    });
  }
}
