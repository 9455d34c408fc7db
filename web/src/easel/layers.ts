/** Masks on top of each other, which together are the mask: each painted, shown, weak or strong, adding or cutting away. One history for all. */
import type { Rect } from "../graph";
import { MaskDrawing } from "./drawing";

export interface Layer {
  readonly id: number;
  readonly name: string;
  readonly drawing: MaskDrawing;
  readonly shown: boolean;
  /** Share of what is painted that counts, 0 to 1. */
  readonly strength: number;
  /** It takes away from what lies below instead of adding to it. */
  readonly cuts: boolean;
}

/** What was done: a stroke in a layer, or something to the list. */
type Act = MaskDrawing | { readonly before: Listing; readonly after: Listing };

interface Listing {
  /** The lowest first. */
  readonly layers: readonly Layer[];
  readonly active: number;
}

export class MaskLayers {
  /** What all shown layers make: 255 where it is masked. */
  readonly flat: Uint8ClampedArray;
  #listing: Listing;
  #past: Act[] = [];
  #future: Act[] = [];
  #last = 0;

  constructor(
    readonly width: number,
    readonly height: number,
    name: string,
    values?: Uint8ClampedArray,
  ) {
    const first = this.#layer(name, values);
    this.#listing = { layers: [first], active: first.id };
    this.flat = first.drawing.values.slice();
  }

  get layers(): readonly Layer[] {
    return this.#listing.layers;
  }

  /** The one that strokes go to. */
  get active(): Layer {
    const { layers, active } = this.#listing;
    const found = layers.find(({ id }) => id === active) ?? layers[0];
    if (!found) throw new RangeError("A mask has a layer.");
    return found;
  }

  get canUndo(): boolean {
    return this.#past.length > 0;
  }

  get canRedo(): boolean {
    return this.#future.length > 0;
  }

  /** To draw on another one is no step. */
  choose(id: number): void {
    if (this.layers.some((layer) => layer.id === id)) this.#listing = { ...this.#listing, active: id };
  }

  /** A new one above the active one, which is drawn on from now on. */
  add(name: string): Rect {
    const fresh = this.#layer(name);
    const at = this.layers.indexOf(this.active) + 1;
    return this.#list({ layers: this.layers.toSpliced(at, 0, fresh), active: fresh.id });
  }

  /** The last one stays. */
  remove(id: number): Rect | undefined {
    const at = this.layers.findIndex((layer) => layer.id === id);
    if (at < 0 || this.layers.length === 1) return undefined;
    const layers = this.layers.toSpliced(at, 1);
    const active = this.#listing.active === id ? (layers[Math.max(0, at - 1)]?.id ?? 0) : this.#listing.active;
    return this.#list({ layers, active });
  }

  /** @param by 1: above its upper neighbour; -1: below its lower one. */
  move(id: number, by: 1 | -1): Rect | undefined {
    const at = this.layers.findIndex((layer) => layer.id === id);
    const [layer, other] = [this.layers[at], this.layers[at + by]];
    if (!layer || !other) return undefined;
    return this.#list({ ...this.#listing, layers: this.layers.with(at, other).with(at + by, layer) });
  }

  change(id: number, what: Partial<Pick<Layer, "name" | "shown" | "strength" | "cuts">>): Rect {
    return this.#list({ ...this.#listing, layers: this.layers.map((layer) => (layer.id === id ? { ...layer, ...what } : layer)) });
  }

  undo(): Rect | undefined {
    const act = this.#past.pop();
    if (!act) return undefined;
    this.#future.push(act);
    if (act instanceof MaskDrawing) return this.flatten(act.undo());
    this.#listing = act.before;
    return this.flatten();
  }

  redo(): Rect | undefined {
    const act = this.#future.pop();
    if (!act) return undefined;
    this.#past.push(act);
    if (act instanceof MaskDrawing) return this.flatten(act.redo());
    this.#listing = act.after;
    return this.flatten();
  }

  /** Reckon a part of `flat` anew, after its layers changed. @returns that part. */
  flatten(rect: Rect | undefined = [0, 0, this.width, this.height]): Rect {
    const [x, y, width, height] = rect;
    const layers = this.layers.filter(({ shown }) => shown);
    for (let row = y; row < y + height; row += 1) {
      for (let index = row * this.width + x, end = index + width; index < end; index += 1) {
        let value = 0;
        for (const { drawing, strength, cuts } of layers) {
          const much = (drawing.values[index] ?? 0) * strength;
          value = cuts ? Math.min(value, 255 - much) : Math.max(value, much);
        }
        this.flat[index] = value;
      }
    }
    return rect;
  }

  #list(after: Listing): Rect {
    this.#note({ before: this.#listing, after });
    this.#listing = after;
    return this.flatten();
  }

  #layer(name: string, values?: Uint8ClampedArray): Layer {
    const drawing = new MaskDrawing(this.width, this.height, values);
    drawing.noted = () => this.#note(drawing);
    this.#last += 1;
    return { id: this.#last, name, drawing, shown: true, strength: 1, cuts: false };
  }

  #note(act: Act): void {
    this.#past.push(act);
    this.#future = [];
  }
}
