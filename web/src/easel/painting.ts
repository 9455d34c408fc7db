/** Colours painted over a picture: RGBA, clear where nothing is painted. */
import type { Point, Rect } from "../graph";
import { type Brush, Drawn, flood } from "./drawn";

export type Colour = readonly [red: number, green: number, blue: number];

export class Painting extends Drawn {
  /** What strokes and fills paint from now on. */
  colour: Colour = [0, 0, 0];
  /** How much of what is below they cover, 0 to 1. */
  opacity = 1;
  /** How far the stroke that is drawn covers each pixel: going over a place twice covers it no more. */
  readonly #covered: Uint8ClampedArray;

  constructor(width: number, height: number) {
    super(width, height, 4);
    this.#covered = new Uint8ClampedArray(width * height);
  }

  override begin(): void {
    super.begin();
    this.#covered.fill(0);
  }

  protected override touch(index: number, much: number, before: Uint8ClampedArray, { erase }: Brush): void {
    if (much <= (this.#covered[index] ?? 0)) return;
    this.#covered[index] = much;
    this.#put(index, (much / 255) * this.opacity, before, erase);
  }

  /** What hangs together with a point and looks like it, in the colour or clear. @param pixels all that is seen, RGBA. */
  fill(at: Point, pixels: Uint8ClampedArray, tolerance: number, erase: boolean): Rect | undefined {
    const before = this.values.slice();
    const rect = flood(pixels, this.width, this.height, at, tolerance, (index) => this.#put(index, this.opacity, before, erase));
    return rect && this.note(rect, before);
  }

  clear(): Rect {
    return this.all((values) => new Uint8ClampedArray(values.length));
  }

  /** The picture with what is painted on it. @param pixels the picture alone, RGBA; its alpha stays where nothing is painted. */
  over(pixels: Uint8ClampedArray): Uint8ClampedArray<ArrayBuffer> {
    const all = new Uint8ClampedArray(pixels);
    for (let index = 0; index < all.length; index += 4) if (this.values[index + 3] !== 0) blend(all, index, pixels, this.values, index, (this.values[index + 3] ?? 0) / 255);
    return all;
  }

  #put(pixel: number, share: number, before: Uint8ClampedArray, erase: boolean): void {
    const index = pixel * 4;
    if (erase) this.values[index + 3] = (before[index + 3] ?? 0) * (1 - share);
    else blend(this.values, index, before, this.colour, 0, share);
  }
}

/** Colour over colour, neither premultiplied. Source: Porter and Duff, "Compositing Digital Images" (1984), operator over. */
function blend(into: Uint8ClampedArray, index: number, below: Uint8ClampedArray, above: ArrayLike<number>, from: number, share: number): void {
  const under = ((below[index + 3] ?? 0) / 255) * (1 - share);
  const alpha = share + under;
  for (let part = 0; part < 3; part += 1) into[index + part] = alpha === 0 ? 0 : ((above[from + part] ?? 0) * share + (below[index + part] ?? 0) * under) / alpha;
  into[index + 3] = alpha * 255;
}

/** "#ff8800" as three bytes. */
export function bytesOf(colour: string): Colour {
  const value = Number.parseInt(colour.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

export function hexOf([red, green, blue]: Colour): string {
  return `#${[red, green, blue].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
