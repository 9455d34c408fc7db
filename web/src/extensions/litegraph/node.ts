/** A node as scripts see it: slots, links, its life. Subclassed and patched by packs at will. */
import type { Loose, Open } from "../loose";
import { LLink } from "./link";
import { NodeBase } from "./node-base";
import { fitting } from "./types";
import { DOMWidgetImpl, type WidgetOptions } from "./widget";

const INPUT = 1;
const OUTPUT = 2;

export class LGraphNode extends NodeBase {
  addDOMWidget(name: string, type: string, element: HTMLElement, options: WidgetOptions = {}): DOMWidgetImpl {
    const widget = new DOMWidgetImpl(name, type, element, options);
    element.classList.add("dom-widget");
    if (options.serialize === undefined && !options.getValue) options.serialize = false;
    return this.addCustomWidget(widget);
  }

  // Slots

  addInput(name: string, type: Loose, extra?: Open): Loose {
    const slot: Open = { name, type, link: null, ...extra };
    this._inputs.push(slot);
    this.touch();
    this.onInputAdded?.(slot);
    return slot;
  }
  addOutput(name: string, type: Loose, extra?: Open): Loose {
    const slot: Open = { name, type, links: null, ...extra };
    this._outputs.push(slot);
    this.touch();
    this.onOutputAdded?.(slot);
    return slot;
  }
  addInputs(list: readonly Loose[]): void {
    for (const [name, type, extra] of list) this.addInput(name, type, extra);
  }
  addOutputs(list: readonly Loose[]): void {
    for (const [name, type, extra] of list) this.addOutput(name, type, extra);
  }
  removeInput(index: number): void {
    this.disconnectInput(index);
    const [gone] = this._inputs.splice(index, 1);
    for (const slot of this._inputs.slice(index)) {
      const link = slot.link == null ? undefined : this.graph?.links.get(slot.link);
      if (link) link.target_slot -= 1;
    }
    this.touch();
    this.onInputRemoved?.(index, gone);
  }
  removeOutput(index: number): void {
    this.disconnectOutput(index);
    const [gone] = this._outputs.splice(index, 1);
    for (const slot of this._outputs.slice(index)) {
      for (const id of slot.links ?? []) {
        const link = this.graph?.links.get(id);
        if (link) link.origin_slot -= 1;
      }
    }
    this.touch();
    this.onOutputRemoved?.(index, gone);
  }

  findInputSlot(name: string, object = false): Loose {
    const index = this._inputs.findIndex((slot) => slot.name === name);
    return object ? (this._inputs[index] ?? -1) : index;
  }
  findOutputSlot(name: string, object = false): Loose {
    const index = this._outputs.findIndex((slot) => slot.name === name);
    return object ? (this._outputs[index] ?? -1) : index;
  }
  findInputByType(type: Loose): Loose {
    const index = this.findInputSlotByType(type);
    return index < 0 ? undefined : { index, slot: this._inputs[index] };
  }
  findInputSlotByType(type: Loose, object = false, preferFree = true): Loose {
    return this.#byType(this._inputs, type, object, (slot) => !preferFree || slot.link == null);
  }
  findOutputSlotByType(type: Loose, object = false, preferFree = false): Loose {
    return this.#byType(this._outputs, type, object, (slot) => !preferFree || !slot.links?.length);
  }
  #byType(slots: Loose[], type: Loose, object: boolean, free: (slot: Loose) => boolean): Loose {
    let index = slots.findIndex((slot) => fitting(type, slot.type) && free(slot));
    if (index < 0) index = slots.findIndex((slot) => fitting(type, slot.type));
    return object ? (slots[index] ?? null) : index;
  }
  getInputInfo(index: number): Loose {
    return this._inputs[index] ?? null;
  }
  getOutputInfo(index: number): Loose {
    return this._outputs[index] ?? null;
  }
  getInputLink(index: number): Loose {
    const id = this._inputs[index]?.link;
    return id == null ? null : (this.graph?.links.get(id) ?? null);
  }
  getInputNode(index: number): Loose {
    const link = this.getInputLink(index);
    return link ? (this.graph?.getNodeById(link.origin_id) ?? null) : null;
  }
  getOutputNodes(index: number): Loose[] | null {
    const ids: readonly number[] = this._outputs[index]?.links ?? [];
    const nodes = ids.map((id) => this.graph?.getNodeById(this.graph.links.get(id)?.target_id)).filter(Boolean);
    return nodes.length > 0 ? nodes : null;
  }
  isInputConnected(index: number): boolean {
    return this._inputs[index]?.link != null;
  }
  isOutputConnected(index: number): boolean {
    return (this._outputs[index]?.links?.length ?? 0) > 0;
  }
  isAnyOutputConnected(): boolean {
    return this._outputs.some((slot) => (slot.links?.length ?? 0) > 0);
  }
  getWidgetFromSlot(slot: Loose): Loose {
    return this._widgets?.find((widget) => widget.name === slot?.widget?.name);
  }
  getSlotFromWidget(widget: Loose): Loose {
    return this._inputs.find((slot) => slot.widget?.name === widget?.name);
  }

  // Links

  connect(slot: Loose, target: Loose, targetSlot: Loose = 0): Loose {
    const { graph } = this;
    const goal: LGraphNode | null = typeof target === "object" ? target : graph?.getNodeById(target);
    const from = typeof slot === "string" ? this.findOutputSlot(slot) : slot;
    if (!graph || !goal || goal === this || !this._outputs[from]) return null;
    let to: number = typeof targetSlot === "string" ? goal.findInputSlot(targetSlot) : typeof targetSlot === "object" ? goal._inputs.indexOf(targetSlot) : targetSlot;
    const asked = goal.onBeforeConnectInput?.(to, this);
    if (typeof asked === "number") to = asked;
    const [output, input] = [this._outputs[from], goal._inputs[to]];
    if (!input || !graph._fits(output.type, input.type)) return null;
    if (goal.onConnectInput?.(to, output.type, output, this, from) === false) return null;
    if (this.onConnectOutput?.(from, input.type, input, goal, to) === false) return null;
    if (input.link != null) goal.disconnectInput(to);
    const link = new LLink(graph._nextLink(), output.type === "*" ? input.type : output.type, this.id, from, goal.id, to);
    graph.links.set(link.id, link);
    (output.links ??= []).push(link.id);
    input.link = link.id;
    this.touch();
    goal.touch();
    graph._tell(this, OUTPUT, from, true, link, output);
    graph._tell(goal, INPUT, to, true, link, input);
    graph.afterChange?.();
    return link;
  }
  connectSlots(output: Loose, node: LGraphNode, input: Loose): Loose {
    return this.connect(this._outputs.indexOf(output), node, node._inputs.indexOf(input));
  }
  connectByType(slot: Loose, target: Loose, type: Loose): Loose {
    const goal = typeof target === "object" ? target : this.graph?.getNodeById(target);
    const index = goal?.findInputSlotByType(type) ?? -1;
    return index < 0 ? null : this.connect(slot, goal, index);
  }
  connectByTypeOutput(slot: Loose, source: Loose, type: Loose): Loose {
    const from = typeof source === "object" ? source : this.graph?.getNodeById(source);
    const index = from?.findOutputSlotByType(type) ?? -1;
    return index < 0 ? null : from.connect(index, this, slot);
  }
  canConnectTo(node: LGraphNode, to: Loose, from: Loose): boolean {
    return this !== node && fitting(from?.type, to?.type);
  }

  disconnectInput(slot: Loose, _keepReroutes?: boolean): boolean {
    const index: number = typeof slot === "string" ? this.findInputSlot(slot) : slot;
    const input = this._inputs[index];
    if (input?.link == null) return false;
    const { graph } = this;
    const link = graph?.links.get(input.link);
    input.link = null;
    this.touch();
    if (!link) return true;
    graph.links.delete(link.id);
    const origin = graph.getNodeById(link.origin_id);
    const output = origin?._outputs?.[link.origin_slot];
    if (output?.links) output.links = output.links.filter((id: number) => id !== link.id);
    origin?.touch?.();
    graph._touched?.(graph);
    graph._tell(this, INPUT, index, false, link, input);
    if (output) graph._tell(origin, OUTPUT, link.origin_slot, false, link, output);
    return true;
  }
  disconnectOutput(slot: Loose, target?: Loose): boolean {
    const index: number = typeof slot === "string" ? this.findOutputSlot(slot) : slot;
    const goal = target === undefined || typeof target === "object" ? target : this.graph?.getNodeById(target);
    let cut = false;
    for (const id of [...(this._outputs[index]?.links ?? [])]) {
      const link = this.graph?.links.get(id);
      const node = link && this.graph.getNodeById(link.target_id);
      if (!link || (goal && node !== goal)) continue;
      if (node) cut = node.disconnectInput(link.target_slot) || cut;
      else this.graph.removeLink(id);
    }
    return cut;
  }

  // Its life

  configure(info: Open): void {
    const { graph } = this;
    for (const key of Object.keys(info)) if (!PLAIN.has(key)) this[key] = typeof info[key] === "object" ? structuredClone(info[key]) : info[key];
    if (info.title !== undefined && info.title !== null) this.title = info.title;
    if (info.mode !== undefined) this.mode = info.mode;
    if (info.id !== undefined && info.id !== -1) this.id = info.id;
    if (info.pos) this.pos = info.pos;
    if (info.size) this.size = info.size;
    if (info.flags) this.flags = { ...info.flags };
    if (info.inputs) this._inputs = merged(this._inputs, info.inputs, { link: null });
    if (info.outputs) this._outputs = merged(this._outputs, info.outputs, { links: null });
    for (const [key, value] of Object.entries(structuredClone(info.properties ?? {}))) {
      this._properties[key] = value;
      this.onPropertyChanged?.(key, value);
    }
    for (const [index, input] of this._inputs.entries()) this.onConnectionsChange?.(INPUT, index, true, input.link == null ? null : (graph?.links.get(input.link) ?? null), input);
    for (const [index, output] of this._outputs.entries()) for (const id of output.links ?? []) this.onConnectionsChange?.(OUTPUT, index, true, graph?.links.get(id) ?? null, output);
    this.#configureWidgets(info);
    this.touch();
    this.onConfigure?.(info);
  }
  #configureWidgets(info: Open): void {
    const values = info.widgets_values;
    for (const widget of this._widgets ?? []) if (widget.options?.property !== undefined && widget.options.property in this._properties) widget.value = this._properties[widget.options.property];
    if (!Array.isArray(values)) return;
    let place = 0;
    for (const widget of this._widgets ?? []) {
      if (widget.serialize === false) continue;
      if (place < values.length) widget.value = values[place];
      place += 1;
    }
  }

  serialize(): Open {
    const { id, type, mode, order } = this;
    const o: Open = { id, type, pos: [...this._pos], size: [...this._size], flags: { ...this._flags }, order, mode, inputs: this._inputs.map(plainSlot), outputs: this._outputs.map(plainSlot), properties: structured(this._properties) };
    if (this.title !== (this.constructor as Loose).title) o.title = this.title;
    if (this.color) o.color = this.color;
    if (this.bgcolor) o.bgcolor = this.bgcolor;
    if (this._widgets && this.serialize_widgets !== false) {
      o.widgets_values = this._widgets.filter((widget) => widget.serialize !== false).map((widget) => structured(widget.value ?? null));
    }
    this.onSerialize?.(o);
    return o;
  }
  clone(): Loose {
    const node = this.graph?._create?.(this.type) ?? new (this.constructor as Loose)(this.title);
    const data = structured(this.serialize());
    for (const slot of data.inputs ?? []) slot.link = null;
    for (const slot of data.outputs ?? []) slot.links = null;
    delete data.id;
    node.configure(data);
    return node;
  }
  isSubgraphNode(): boolean {
    return this.subgraph !== undefined;
  }
  getInnerNodes(): Loose[] {
    return [this];
  }
  updateArea(): void {}
  arrange(): void {}
  snapToGrid(): boolean {
    return false;
  }
  loadImage(): void {}
  refreshComboInNode(): void {}
}

/** Keys of a saved node that `configure` reads one by one. */
const PLAIN = new Set(["id", "type", "title", "pos", "size", "flags", "mode", "inputs", "outputs", "properties", "widgets_values", "widgets_values_named", "order"]);

/** Slots of a file over those that the node has: objects stay those that scripts hold. */
function merged(slots: Loose[], told: readonly Loose[], empty: Open): Loose[] {
  const left = [...slots];
  return told.map((each) => {
    const at = left.findIndex((slot) => slot?.name === each.name);
    const [known] = at >= 0 ? left.splice(at, 1) : [];
    return Object.assign(known ?? { ...empty }, structuredClone(each));
  });
}

function plainSlot(slot: Loose): Open {
  const { name, type, link, links, label, widget, shape } = slot;
  return { name, type, ...(label !== undefined && { label }), ...(shape !== undefined && { shape }), ...(widget && { widget: { name: widget.name } }), ...(links === undefined ? { link: link ?? null } : { links: links ? [...links] : links }) };
}

/** A copy as JSON would have it; what JSON cannot hold is left out. */
export function structured<T>(value: T): T {
  if (value === null || typeof value !== "object") return (typeof value === "function" || value === undefined ? null : value) as T;
  try {
    return JSON.parse(JSON.stringify(value, (_key, each: unknown) => (typeof each === "bigint" ? Number(each) : each))) as T;
  } catch {
    return null as T; // it leads in a circle: nothing that a file could keep
  }
}
