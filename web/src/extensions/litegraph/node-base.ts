/** What a node holds, and what marks it as touched: everything a script can reach in it to write. */
import type { Loose, Open } from "../loose";
import { type WidgetOptions, makeWidget } from "./widget";

const TITLE = 30;
const SLOT = 20;

export class NodeBase {
  [key: string]: Loose;
  static title: Loose;
  static type: Loose;
  static category: Loose;
  static comfyClass: Loose;
  static nodeData: Loose;
  static keepAllLinksOnBypass = false;
  title: string;
  type: Loose;
  id: Loose = -1;
  graph: Loose = null;
  mode: number = 0;
  order: number = 0;
  _pos: number[] = [10, 10];
  _size: number[] = [140, 60];
  _inputs: Loose[] = [];
  _outputs: Loose[] = [];
  _widgets: Loose[] | undefined = undefined;
  _properties: Open = {};
  properties_info: Loose[] = [];
  _flags: Open = {};
  _lost = false;
  _imgs: Loose = undefined;

  constructor(title?: string, type?: string) {
    const made = this.constructor as Loose;
    this.title = title ?? made.title ?? "Unnamed";
    this.type = type ?? made.type ?? "";
    for (const key of Object.keys(made)) if (key.startsWith("@")) this.properties_info.push({ name: key.slice(1), ...made[key] });
  }

  /** Something in it may be written now. */
  touch(): void {
    this.graph?._touched?.(this);
  }

  /** Pictures that it shows, as elements. */
  get imgs(): Loose {
    return this._imgs ?? this.graph?.keeper?.pictures.of(this);
  }
  set imgs(imgs: Loose) {
    this._imgs = imgs ?? undefined;
    this.graph?.keeper?.pictures.show(this, imgs);
  }

  get pos(): number[] {
    this.touch();
    return this._pos;
  }
  set pos(pos: ArrayLike<number>) {
    this._pos[0] = Number(pos?.[0] ?? 0);
    this._pos[1] = Number(pos?.[1] ?? 0);
    this.touch();
  }
  get size(): number[] {
    this.touch();
    return this._size;
  }
  set size(size: ArrayLike<number>) {
    this._size[0] = Number(size?.[0] ?? 0);
    this._size[1] = Number(size?.[1] ?? 0);
    this.touch();
  }
  get inputs(): Loose[] {
    this.touch();
    return this._inputs;
  }
  set inputs(slots: Loose[]) {
    this._inputs = slots;
    this.touch();
  }
  get outputs(): Loose[] {
    this.touch();
    return this._outputs;
  }
  set outputs(slots: Loose[]) {
    this._outputs = slots;
    this.touch();
  }
  get widgets(): Loose[] | undefined {
    this.touch();
    return this._widgets;
  }
  set widgets(widgets: Loose[] | undefined) {
    this._widgets = widgets;
    this.touch();
  }
  get properties(): Open {
    this.touch();
    return this._properties;
  }
  set properties(properties: Open) {
    this._properties = properties ?? {};
    this.touch();
  }
  get flags(): Open {
    this.touch();
    return this._flags;
  }
  set flags(flags: Open) {
    this._flags = flags ?? {};
    this.touch();
  }
  get is_selected(): boolean {
    return this.graph?._canvas?.()?.selected_nodes[this.id] === this;
  }
  get collapsed(): boolean {
    return this._flags.collapsed === true;
  }
  get pinned(): boolean {
    return this._flags.pinned === true;
  }
  get renderingSize(): number[] {
    return this.collapsed ? [this._collapsed_width ?? 80, 0] : this._size;
  }
  get width(): number {
    return this._size[0] ?? 0;
  }
  get height(): number {
    return this._size[1] ?? 0;
  }
  get boundingRect(): number[] {
    return this.getBounding();
  }

  // Widgets

  addWidget(type: string, name: string, value: Loose, callback?: Loose, options?: WidgetOptions | string): Loose {
    const given: WidgetOptions = typeof options === "string" ? { property: options } : (options ?? {});
    if (typeof callback === "string") given.property = callback;
    const work = typeof callback === "function" ? callback : undefined;
    return this.addCustomWidget(makeWidget(type, name, value, work, given));
  }

  addCustomWidget<Widget extends object>(given: Widget): Widget {
    const widget: Loose = given;
    this._widgets ??= [];
    this._widgets.push(widget);
    if ("node" in widget && !widget.node) widget.node = this;
    if (Object.getPrototypeOf(widget) === Object.prototype) widget.options ??= {};
    this.touch();
    return widget;
  }

  removeWidget(widget: Loose): void {
    const at = typeof widget === "number" ? widget : (this._widgets?.indexOf(widget) ?? -1);
    const [gone] = at >= 0 ? (this._widgets?.splice(at, 1) ?? []) : [];
    gone?.onRemove?.();
    this.touch();
  }

  removeWidgetByName(name: string): void {
    const widget = this._widgets?.find((each) => each.name === name);
    if (widget) this.removeWidget(widget);
  }

  ensureWidgetRemoved(widget: Loose): void {
    if (this._widgets?.includes(widget)) this.removeWidget(widget);
  }

  getWidgetOnPos(x: number, y: number, includeDisabled = false): Loose {
    const [left, top] = [x - (this._pos[0] ?? 0), y - (this._pos[1] ?? 0)];
    return this._widgets?.find((widget) => {
      if (widget.hidden || (widget.disabled && !includeDisabled) || widget.last_y === undefined) return false;
      const height = widget.computedHeight ?? widget.computeSize?.(this._size[0])[1] ?? SLOT;
      return left >= 0 && left <= (this._size[0] ?? 0) && top >= widget.last_y && top <= widget.last_y + height;
    });
  }

  // Places

  computeSize(out?: number[]): number[] {
    const result = out ?? [0, 0];
    const made = this.constructor as Loose;
    if (made.size) return [made.size[0], made.size[1]];
    const letters = (slots: Loose[]): number => Math.max(0, ...slots.map((slot) => String(slot.label ?? slot.name ?? "").length));
    const sockets = this._inputs.filter((slot) => !slot.widget);
    const width = Math.max((letters(sockets) + letters(this._outputs)) * 8 + 40, String(this.title ?? "").length * 9 + 40, this._widgets?.length ? 210 : 140);
    let height = Math.max(sockets.length, this._outputs.length, this._widgets?.length ? 0 : 1) * SLOT + (made.slot_start_y ?? 0);
    if (this._widgets) {
      let rows = 0;
      for (const widget of this._widgets) if (!widget.hidden) rows += (widget.computeSize?.(width)[1] ?? widget.computeLayoutSize?.(this)?.minHeight ?? SLOT) + 4;
      height += rows + 8;
    }
    result[0] = width;
    result[1] = Math.max(height + 6, made.min_height ?? 0);
    return result;
  }

  setSize(size: ArrayLike<number>): void {
    this.size = size;
    this.onResize?.(this._size);
  }

  expandToFitContent(): void {
    const least = this.computeSize();
    this.setSize([Math.max(least[0] ?? 0, this._size[0] ?? 0), Math.max(least[1] ?? 0, this._size[1] ?? 0)]);
  }

  getBounding(out?: Loose): Loose {
    const result = out ?? [0, 0, 0, 0];
    [result[0], result[1], result[2], result[3]] = [this._pos[0], (this._pos[1] ?? 0) - TITLE, this._size[0], (this.collapsed ? 0 : (this._size[1] ?? 0)) + TITLE];
    this.onBounding?.(result);
    return result;
  }

  /** Where a slot's socket is, in graph units: where the canvas draws it, else by rows. */
  getConnectionPos(isInput: boolean, index: number, out: Loose = [0, 0]): Loose {
    const place = this.graph?._placeOf?.(this, isInput, index);
    const row = (this._pos[1] ?? 0) + (index + 0.7) * SLOT;
    out[0] = place?.[0] ?? (this._pos[0] ?? 0) + (isInput ? 0 : (this._size[0] ?? 0));
    out[1] = place?.[1] ?? row;
    return out;
  }

  getInputPos(index: number): number[] {
    return this.getConnectionPos(true, index);
  }
  getOutputPos(index: number): number[] {
    return this.getConnectionPos(false, index);
  }
  getSlotInPosition(x: number, y: number): Loose {
    const near = (isInput: boolean) => (slot: Loose, index: number): Loose => {
      const [sx, sy] = this.getConnectionPos(isInput, index);
      return Math.hypot(sx - x, sy - y) < 12 ? { [isInput ? "input" : "output"]: slot, slot: index, link_pos: [sx, sy] } : undefined;
    };
    return this._inputs.map(near(true)).find(Boolean) ?? this._outputs.map(near(false)).find(Boolean) ?? null;
  }
  isPointInside(x: number, y: number): boolean {
    const [left, top, width, height] = this.getBounding();
    return x >= left && x <= left + width && y >= top && y <= top + height;
  }

  getTitle(): string {
    return this.title || (this.constructor as Loose).title;
  }
  getTitleButtons(): Loose[] {
    return [];
  }
  collapse(): void {
    this.flags.collapsed = !this._flags.collapsed;
  }
  toggleAdvanced(): void {
    this.showAdvanced = !this.showAdvanced;
  }
  pin(pinned?: boolean): void {
    this.flags.pinned = pinned ?? !this._flags.pinned;
  }
  unpin(): void {
    this.pin(false);
  }
  changeMode(mode: number): boolean {
    this.mode = mode;
    this.touch();
    return true;
  }
  setDirtyCanvas(front: boolean, back?: boolean): void {
    this.graph?.setDirtyCanvas?.(front, back, this);
  }
  captureInput(): void {}
  localToScreen(x: number, y: number): number[] {
    const ds = this.graph?._canvas?.()?.ds;
    return [(x + (this._pos[0] ?? 0) + (ds?.offset[0] ?? 0)) * (ds?.scale ?? 1), (y + (this._pos[1] ?? 0) + (ds?.offset[1] ?? 0)) * (ds?.scale ?? 1)];
  }

  setProperty(name: string, value: Loose): void {
    if (this._properties[name] === value) return;
    const before = this._properties[name];
    this._properties[name] = value;
    this.touch();
    if (this.onPropertyChanged?.(name, value, before) === false) this._properties[name] = before;
    const widget = this._widgets?.find((each) => each.options?.property === name);
    if (widget) widget.value = value;
  }
  addProperty(name: string, preset: Loose, type?: string, extra?: Open): Loose {
    const info = { name, type, default_value: preset, ...extra };
    this.properties_info.push(info);
    this._properties[name] ??= preset;
    this.touch();
    return info;
  }
  getPropertyInfo(name: string): Loose {
    return this.properties_info.find((info) => info.name === name) ?? { name, type: typeof this._properties[name] };
  }
}
