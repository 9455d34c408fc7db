/** A graph as scripts see it: the root, or the inside of a subgraph. */
import type { Loose, Open } from "../loose";
import { LGraphGroup } from "./group";
import { LLink, indexable } from "./link";
import { fitting } from "./types";

/** What a graph asks of whoever keeps it in line with the document. */
export interface Keeper {
  touched(graph: LGraph, what: Loose): void;
  nextNode(): number;
  nextLink(graph: LGraph): number;
  nextGroup(graph: LGraph): number;
  placeOf(node: Loose, isInput: boolean, index: number): readonly [number, number] | undefined;
  canvas(): Loose;
  readonly pictures: { of(node: Open): HTMLImageElement[] | undefined; show(node: Open, imgs: Loose): void };
  create(type: string): Loose;
  fits(a: Loose, b: Loose): boolean;
  redraw(node?: Loose): void;
  serialize(graph: LGraph): Open;
  configure(graph: LGraph, data: Open): void;
  call(owner: Open, name: string, ...args: Loose[]): Loose;
}

export class LGraph {
  [key: string]: Loose;
  static STATUS_STOPPED = 1;
  static STATUS_RUNNING = 2;
  id = "root";
  _nodes: Loose[] = [];
  _nodes_by_id: Record<string, Loose> = {};
  _groups: LGraphGroup[] = [];
  links: Map<number, LLink> & Record<number, LLink> = indexable(new Map<number, LLink>());
  floatingLinks = new Map<number, LLink>();
  reroutes = new Map<number, Loose>();
  extra: Open = {};
  config: Open = {};
  vars: Open = {};
  list_of_graphcanvas: Loose[] = [];
  last_node_id: Loose = 0;
  last_link_id = 0;
  revision = 0;
  _version = 0;
  status = 1;
  events = new EventTarget();
  subgraphs = new Map<string, Loose>();
  parent: LGraph | undefined;
  keeper: Keeper | undefined;

  get nodes(): Loose[] {
    return this._nodes;
  }
  get groups(): LGraphGroup[] {
    return this._groups;
  }
  get rootGraph(): LGraph {
    return this.parent ?? this;
  }
  get isRootGraph(): boolean {
    return this.parent === undefined;
  }
  get primaryCanvas(): Loose {
    return this.keeper?.canvas();
  }
  get empty(): boolean {
    return this._nodes.length === 0 && this._groups.length === 0;
  }

  // What views ask of it.

  _touched(what: Loose): void {
    this.keeper?.touched(this, what);
  }
  _nextLink(): number {
    this.last_link_id = this.keeper?.nextLink(this) ?? this.last_link_id + 1;
    return this.last_link_id;
  }
  _placeOf(node: Loose, isInput: boolean, index: number): readonly [number, number] | undefined {
    return this.keeper?.placeOf(node, isInput, index);
  }
  _tell(node: Loose, ...args: Loose[]): void {
    if (this.keeper) this.keeper.call(node, "onConnectionsChange", ...args);
    else node.onConnectionsChange?.(...args);
  }
  _canvas(): Loose {
    return this.keeper?.canvas();
  }
  _create(type: string): Loose {
    return this.keeper?.create(type);
  }
  _fits(a: Loose, b: Loose): boolean {
    return this.keeper?.fits(a, b) ?? fitting(a, b);
  }

  getNodeById(id: Loose): Loose {
    return id === null || id === undefined ? null : (this._nodes_by_id[String(id)] ?? null);
  }
  getLink(id: Loose): LLink | undefined {
    return id === null || id === undefined ? undefined : this.links.get(Number(id));
  }
  findNodesByType(type: Loose, result: Loose[] = []): Loose[] {
    result.push(...this._nodes.filter((node) => String(node.type).toLowerCase() === String(type).toLowerCase()));
    return result;
  }
  findNodesByClass(made: Loose, result: Loose[] = []): Loose[] {
    result.push(...this._nodes.filter((node) => node.constructor === made));
    return result;
  }
  findNodeByTitle(title: string): Loose {
    return this._nodes.find((node) => node.title === title) ?? null;
  }
  findNodesByTitle(title: string): Loose[] {
    return this._nodes.filter((node) => node.title === title);
  }
  getNodeOnPos(x: number, y: number, nodes: readonly Loose[] = this._nodes): Loose {
    return [...nodes].reverse().find((node) => node.isPointInside(x, y)) ?? null;
  }
  getGroupOnPos(x: number, y: number): Loose {
    return [...this._groups].reverse().find((group) => group.isPointInside(x, y)) ?? null;
  }

  add(item: Loose): Loose {
    if (!item) return undefined;
    if (item instanceof LGraphGroup) {
      if (item.id < 0) item.id = this.keeper?.nextGroup(this) ?? this._groups.length + 1;
      item.graph = this;
      this._groups.push(item);
      this._touched(item);
      return item;
    }
    if (item.id === -1 || item.id === undefined || item.id === null || this._nodes_by_id[item.id]) item.id = this.keeper?.nextNode() ?? Number(this.last_node_id) + 1;
    if (typeof item.id === "number") this.last_node_id = Math.max(Number(this.last_node_id), item.id);
    item.graph = this;
    this._nodes.push(item);
    this._nodes_by_id[item.id] = item;
    this._touched(item);
    this.keeper?.call(item, "onAdded", this);
    this.keeper?.call(this, "onNodeAdded", item);
    return item;
  }

  remove(item: Loose): void {
    if (item instanceof LGraphGroup) {
      this._groups.splice(this._groups.indexOf(item), 1);
      this._touched(this);
      item.graph = null;
      return;
    }
    if (!this._nodes.includes(item)) return;
    for (const index of item._inputs.keys()) item.disconnectInput(index);
    for (const index of item._outputs.keys()) item.disconnectOutput(index);
    this.keeper?.call(item, "onRemoved");
    for (const widget of item._widgets ?? []) if (typeof widget.onRemove === "function") this.keeper?.call(widget, "onRemove");
    this._nodes.splice(this._nodes.indexOf(item), 1);
    delete this._nodes_by_id[item.id];
    this._touched(this);
    item.graph = null;
    this.keeper?.call(this, "onNodeRemoved", item);
  }

  removeLink(id: Loose): void {
    const link = this.links.get(Number(id));
    if (!link) return;
    const target = this.getNodeById(link.target_id);
    if (target?._inputs?.[link.target_slot]?.link === link.id) target.disconnectInput(link.target_slot);
    else this.links.delete(link.id);
    this._touched(this);
  }

  clear(): void {
    for (const node of [...this._nodes]) this.remove(node);
    for (const group of [...this._groups]) this.remove(group);
  }

  serialize(_options?: Open): Open {
    return this.keeper?.serialize(this) ?? {};
  }
  asSerialisable(options?: Open): Open {
    return this.serialize(options);
  }
  configure(data: Open, _keepOld?: boolean): boolean {
    this.keeper?.configure(this, data);
    return false;
  }

  change(): void {
    this.keeper?.redraw();
  }
  setDirtyCanvas(_front?: boolean, _back?: boolean, node?: Loose): void {
    this.keeper?.redraw(node);
  }
  /** Steps of a turn are one step of undo in any case. */
  beforeChange(): void {}
  afterChange(): void {}
  incrementVersion(): void {
    this._version += 1;
  }
  updateExecutionOrder(): void {}
  computeExecutionOrder(): Loose[] {
    const [order, seen] = [new Array<Loose>(), new Set<Loose>()];
    const visit = (node: Loose): void => {
      if (!node || seen.has(node)) return;
      seen.add(node);
      for (const index of node._inputs.keys()) visit(node.getInputNode(index));
      order.push(node);
    };
    for (const node of this._nodes) visit(node);
    return order;
  }
  arrange(): void {
    this.keeper?.call({ run: () => this.keeper?.canvas()?._arrange?.() }, "run");
  }
  snapToGrid(): void {}
  canvasAction(work: (canvas: Loose) => void): void {
    const canvas = this.keeper?.canvas();
    if (canvas) work(canvas);
  }
  sendActionToCanvas(action: string, args: Loose[] = []): void {
    this.keeper?.call(this.keeper.canvas() ?? {}, action, ...args);
  }
  attachCanvas(canvas: Loose): void {
    this.list_of_graphcanvas.push(canvas);
  }
  start(): void {}
  stop(): void {}
  trigger(): void {}
}
