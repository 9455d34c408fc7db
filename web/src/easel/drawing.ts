/** A mask being drawn: 8 bits a pixel, 255 where it is painted. */
import type { Point, Rect } from "../graph";
import { type Brush, Drawn, flood } from "./drawn";

export class MaskDrawing extends Drawn {
  constructor(width: number, height: number, values?: Uint8ClampedArray) {
    super(width, height, 1, values);
  }

  /** Never less than is there, nor erased where it is already less: so a stroke is as soft as its brush, however slowly it is drawn. */
  protected override touch(index: number, much: number, _before: Uint8ClampedArray, { erase }: Brush): void {
    const value = this.values[index] ?? 0;
    this.values[index] = erase ? Math.min(value, 255 - much) : Math.max(value, much);
  }

  /** Paint (or erase) what hangs together with a point and looks like it. */
  fill(at: Point, pixels: Uint8ClampedArray, tolerance: number, erase: boolean): Rect | undefined {
    const before = this.values.slice();
    const rect = flood(pixels, this.width, this.height, at, tolerance, (index) => (this.values[index] = erase ? 0 : 255));
    return rect && this.note(rect, before);
  }

  invert(): Rect {
    return this.all((values) => values.map((value) => 255 - value));
  }

  clear(): Rect {
    return this.all((values) => new Uint8ClampedArray(values.length));
  }

  /** Soften all edges: three box blurs, near a Gaussian of so many pixels' deviation. */
  feather(pixels: number): Rect {
    return this.all((values) => {
      const reach = Math.max(1, Math.round(pixels * 0.94));
      let soft = Float32Array.from(values);
      for (let round = 0; round < 3; round += 1) {
        soft = blurred(soft, this.width, this.height, reach);
        soft = blurred(soft, this.height, this.width, reach); // turned round twice, it lies as before
      }
      return Uint8ClampedArray.from(soft);
    });
  }

  /** Make what is painted larger by so many pixels, or smaller. */
  grow(pixels: number): Rect {
    return this.all((values) => {
      const [better, reach] = [pixels > 0 ? Math.max : Math.min, Math.abs(pixels)];
      const once = spread(values, this.width, this.height, reach, better);
      return spread(once, this.height, this.width, reach, better);
    });
  }
}

/** Each row averaged over `reach` to both sides, turned so that columns are rows. Beyond the edge lies the edge. */
function blurred(values: Float32Array<ArrayBuffer>, width: number, height: number, reach: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(values.length);
  for (let y = 0; y < height; y += 1) {
    const at = (x: number): number => values[y * width + Math.min(width - 1, Math.max(0, x))] ?? 0;
    let sum = 0;
    for (let x = -reach; x <= reach; x += 1) sum += at(x);
    for (let x = 0; x < width; x += 1) {
      out[x * height + y] = sum / (2 * reach + 1);
      sum += at(x + reach + 1) - at(x - reach);
    }
  }
  return out;
}

/** Each row's best within `reach`, turned so that columns are rows. */
function spread(values: Uint8ClampedArray, width: number, height: number, reach: number, better: (a: number, b: number) => number): Uint8ClampedArray {
  const out = new Uint8ClampedArray(values.length);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      let best = values[y * width + x] ?? 0;
      for (let near = Math.max(0, x - reach); near <= Math.min(width - 1, x + reach); near += 1) best = better(best, values[y * width + near] ?? 0);
      out[x * height + y] = best;
    }
  }
  return out;
}
