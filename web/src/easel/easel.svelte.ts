/** Where the picture lies on the screen, and what pointers do on it: draw, carry, zoom. */
import type { Point, Rect } from "../graph";
import type { Drawn } from "./drawn";

export type Tool = "brush" | "eraser" | "fill" | "pick";

/** What strokes and fills go to. */
export type Drawable = Drawn & { fill(at: Point, pixels: Uint8ClampedArray, tolerance: number, erase: boolean): Rect | undefined };

export interface EaselHost {
  readonly drawing: () => Drawable | undefined;
  readonly pixels: () => Uint8ClampedArray | undefined;
  /** A part of the drawing is another now; undefined: nothing is. */
  readonly changed: (rect: Rect | undefined) => void;
  /** A place was pointed at with the pipette. */
  readonly picked?: (at: Point) => void;
}

const LEAST = 0.05;
const MOST = 32;
/** A pen that is hardly pressed still paints so much of the brush. */
const LIGHT = 0.25;

export class Easel {
  tool = $state<Tool>("brush");
  size = $state(48);
  hardness = $state(0.8);
  tolerance = $state(24);
  /** Screen pixels to a pixel of the picture. */
  scale = $state(1);
  offset = $state.raw<Point>([0, 0]);
  /** Where the pointer is, in screen pixels of the easel; undefined while it is elsewhere. */
  pointer = $state.raw<Point | undefined>();
  spaceHeld = $state(false);
  readonly #fingers = new Map<number, Point>();
  #doing: "draw" | "carry" | undefined;
  #pinch: { readonly middle: Point; readonly apart: number } | undefined;
  #eraserEnd = false;

  constructor(readonly host: EaselHost) {}

  /** All of a picture in the middle of a box. */
  fit(width: number, height: number, box: Point): void {
    this.scale = Math.min(8, (box[0] - 48) / width, (box[1] - 48) / height);
    this.offset = [(box[0] - width * this.scale) / 2, (box[1] - height * this.scale) / 2];
  }

  zoom(factor: number, at: Point): void {
    const scale = Math.min(MOST, Math.max(LEAST, this.scale * factor));
    const share = scale / this.scale;
    this.offset = [at[0] - (at[0] - this.offset[0]) * share, at[1] - (at[1] - this.offset[1]) * share];
    this.scale = scale;
  }

  resize(by: number): void {
    this.size = Math.round(Math.min(600, Math.max(1, this.size * by + (by > 1 ? 0.5 : -0.5))));
  }

  down(event: PointerEvent): void {
    const at = this.#at(event);
    this.#fingers.set(event.pointerId, at);
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
    if (this.#fingers.size > 1) {
      if (this.#doing === "draw") this.host.changed(this.host.drawing()?.cancel());
      this.#doing = "carry";
      this.#pinch = undefined;
      return;
    }
    if (event.button === 1 || this.spaceHeld) {
      this.#doing = "carry";
      return;
    }
    if (this.tool === "pick" && event.button === 0) return this.host.picked?.(this.#onPicture(at));
    const drawing = this.host.drawing();
    if (!drawing || (event.button !== 0 && event.button !== 2 && event.button !== 5)) return;
    this.#eraserEnd = event.button === 2 || event.button === 5 || event.altKey; // a pen's other end, the right button
    if (this.tool === "fill") {
      const pixels = this.host.pixels();
      if (pixels) this.host.changed(drawing.fill(this.#onPicture(at), pixels, this.tolerance, this.#eraserEnd));
      return;
    }
    this.#doing = "draw";
    drawing.begin();
    this.#draw(drawing, event);
  }

  move(event: PointerEvent): void {
    const at = this.#at(event);
    const before = this.#fingers.get(event.pointerId);
    this.pointer = event.pointerType === "touch" ? undefined : at;
    if (!before) return;
    this.#fingers.set(event.pointerId, at);
    const drawing = this.host.drawing();
    if (this.#fingers.size > 1) this.#pinchOn();
    else if (this.#doing === "carry") this.offset = [this.offset[0] + at[0] - before[0], this.offset[1] + at[1] - before[1]];
    else if (this.#doing === "draw" && drawing) for (const each of event.getCoalescedEvents?.() ?? [event]) this.#draw(drawing, each);
  }

  up(event: PointerEvent): void {
    this.#fingers.delete(event.pointerId);
    this.#pinch = undefined;
    if (this.#fingers.size > 0) return;
    if (this.#doing === "draw") {
      this.host.drawing()?.end();
      this.host.changed(undefined);
    }
    this.#doing = undefined;
  }

  /** @returns whether a stroke was taken back. */
  cancel(): boolean {
    if (this.#doing !== "draw") return false;
    this.host.changed(this.host.drawing()?.cancel());
    this.#doing = undefined;
    return true;
  }

  #draw(drawing: Drawable, event: PointerEvent): void {
    const pressure = event.pointerType === "pen" && event.pressure > 0 ? LIGHT + (1 - LIGHT) * event.pressure : 1;
    const erase = (this.tool === "eraser") !== this.#eraserEnd;
    this.host.changed(drawing.draw(this.#onPicture(this.#at(event)), { radius: Math.max(0.5, (this.size / 2) * pressure), hardness: this.hardness, erase }));
  }

  #pinchOn(): void {
    const [a, b] = [...this.#fingers.values()];
    if (!a || !b) return;
    const middle: Point = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    const apart = Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
    const last = this.#pinch;
    this.#pinch = { middle, apart };
    if (!last) return;
    this.offset = [this.offset[0] + middle[0] - last.middle[0], this.offset[1] + middle[1] - last.middle[1]];
    this.zoom(apart / last.apart, middle);
  }

  #at(event: PointerEvent): Point {
    const host = (event.currentTarget ?? event.target) as HTMLElement | null;
    const box = host?.getBoundingClientRect();
    if (box && event.currentTarget) this.#corner = [box.left, box.top];
    return [event.clientX - this.#corner[0], event.clientY - this.#corner[1]];
  }

  /** Coalesced events know no element. */
  #corner: Point = [0, 0];

  #onPicture([x, y]: Point): Point {
    return [(x - this.offset[0]) / this.scale, (y - this.offset[1]) / this.scale];
  }
}
