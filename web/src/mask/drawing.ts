/** A mask being drawn: 8 bits a pixel, 255 where it is painted. Every act is one step of its own history. Knows no DOM. */
import type { Point, Rect } from "../graph";

export interface Brush {
  /** Pixels of the picture. */
  readonly radius: number;
  /** Share of the radius that is painted whole, 0 to 1; beyond it the mask falls off. */
  readonly hardness: number;
  readonly erase: boolean;
}

interface Step {
  readonly rect: Rect;
  readonly before: Uint8ClampedArray;
  readonly after: Uint8ClampedArray;
}

/** Steps are kept up to so many bytes. */
const MOST_BYTES = 160 * 1024 * 1024;

export class MaskDrawing {
  readonly values: Uint8ClampedArray;
  #past: Step[] = [];
  #future: Step[] = [];
  #bytes = 0;
  /** The mask before the stroke that is being drawn, and what it has touched. */
  #stroke: { readonly before: Uint8ClampedArray; rect: Rect | undefined } | undefined;
  #last: Point | undefined;

  constructor(
    readonly width: number,
    readonly height: number,
    values?: Uint8ClampedArray,
  ) {
    this.values = values ?? new Uint8ClampedArray(width * height);
  }

  get canUndo(): boolean {
    return this.#past.length > 0;
  }

  get canRedo(): boolean {
    return this.#future.length > 0;
  }

  get isEmpty(): boolean {
    return this.values.every((value) => value === 0);
  }

  begin(): void {
    this.#stroke = { before: this.values.slice(), rect: undefined };
    this.#last = undefined;
  }

  /** Draw on to a point, from the last one of this stroke. @returns what has changed. */
  draw(at: Point, brush: Brush): Rect | undefined {
    const from = this.#last ?? at;
    this.#last = at;
    const far = Math.hypot(at[0] - from[0], at[1] - from[1]);
    const steps = Math.max(1, Math.ceil(far / Math.max(0.5, brush.radius / 5)));
    let changed: Rect | undefined;
    for (let step = this.#stroke?.rect ? 1 : 0; step <= steps; step += 1) {
      const share = step / steps;
      changed = around(changed, this.#dab([from[0] + (at[0] - from[0]) * share, from[1] + (at[1] - from[1]) * share], brush));
    }
    if (this.#stroke) this.#stroke.rect = around(this.#stroke.rect, changed);
    return changed;
  }

  /** The stroke is over: one step. */
  end(): void {
    const stroke = this.#stroke;
    this.#stroke = undefined;
    if (stroke?.rect) this.#note(stroke.rect, stroke.before);
  }

  /** Take back the stroke that is being drawn. @returns what has changed. */
  cancel(): Rect | undefined {
    const stroke = this.#stroke;
    this.#stroke = undefined;
    if (stroke) this.values.set(stroke.before);
    return stroke?.rect;
  }

  /** The dab never paints less than is there, nor erases what is already less: so a stroke is as soft as its brush, however slowly it is drawn. */
  #dab([cx, cy]: Point, { radius, hardness, erase }: Brush): Rect | undefined {
    const [left, top] = [Math.max(0, Math.floor(cx - radius)), Math.max(0, Math.floor(cy - radius))];
    const [right, bottom] = [Math.min(this.width, Math.ceil(cx + radius) + 1), Math.min(this.height, Math.ceil(cy + radius) + 1)];
    if (left >= right || top >= bottom) return undefined;
    const hard = Math.min(radius - 0.5, radius * hardness);
    for (let y = top; y < bottom; y += 1) {
      for (let x = left; x < right; x += 1) {
        const away = Math.hypot(x + 0.5 - cx, y + 0.5 - cy);
        if (away >= radius) continue;
        const much = away <= hard ? 255 : Math.round(255 * smooth((radius - away) / Math.max(0.5, radius - hard)));
        const index = y * this.width + x;
        const value = this.values[index] ?? 0;
        this.values[index] = erase ? Math.min(value, 255 - much) : Math.max(value, much);
      }
    }
    return [left, top, right - left, bottom - top];
  }

  /**
   * Paint (or erase) what hangs together with a point and looks like it.
   * @param pixels the picture, RGBA. @param tolerance 0 to 255, how far each colour may be from the point's.
   */
  fill([x, y]: Point, pixels: Uint8ClampedArray, tolerance: number, erase: boolean): Rect | undefined {
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (column < 0 || row < 0 || column >= this.width || row >= this.height) return undefined;
    const before = this.values.slice();
    const start = row * this.width + column;
    const like = (index: number): boolean => {
      for (let part = 0; part < 3; part += 1) if (Math.abs((pixels[index * 4 + part] ?? 0) - (pixels[start * 4 + part] ?? 0)) > tolerance) return false;
      return true;
    };
    const seen = new Uint8Array(this.values.length);
    const open = [start];
    seen[start] = 1;
    let [least, most, leftmost, rightmost] = [row, row, column, column];
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      this.values[index] = erase ? 0 : 255;
      const [px, py] = [index % this.width, Math.floor(index / this.width)];
      [least, most, leftmost, rightmost] = [Math.min(least, py), Math.max(most, py), Math.min(leftmost, px), Math.max(rightmost, px)];
      for (const next of [px > 0 ? index - 1 : -1, px < this.width - 1 ? index + 1 : -1, index - this.width, index + this.width]) {
        if (next < 0 || next >= seen.length || seen[next] === 1) continue;
        seen[next] = 1;
        if (like(next)) open.push(next);
      }
    }
    return this.#note([leftmost, least, rightmost - leftmost + 1, most - least + 1], before);
  }

  invert(): Rect {
    return this.#all((values) => values.map((value) => 255 - value));
  }

  clear(): Rect {
    return this.#all((values) => new Uint8ClampedArray(values.length));
  }

  /** Soften all edges: three box blurs, near a Gaussian of so many pixels' deviation. */
  feather(pixels: number): Rect {
    return this.#all((values) => {
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
    return this.#all((values) => {
      const [better, reach] = [pixels > 0 ? Math.max : Math.min, Math.abs(pixels)];
      const once = spread(values, this.width, this.height, reach, better);
      return spread(once, this.height, this.width, reach, better);
    });
  }

  undo(): Rect | undefined {
    return this.#go(this.#past, this.#future, "before");
  }

  redo(): Rect | undefined {
    return this.#go(this.#future, this.#past, "after");
  }

  #go(from: Step[], to: Step[], side: "before" | "after"): Rect | undefined {
    const step = from.pop();
    if (!step) return undefined;
    to.push(step);
    paste(this.values, this.width, step.rect, step[side]);
    return step.rect;
  }

  #all(work: (values: Uint8ClampedArray) => Uint8ClampedArray): Rect {
    const before = this.values.slice();
    this.values.set(work(before));
    return this.#note([0, 0, this.width, this.height], before);
  }

  #note(rect: Rect, before: Uint8ClampedArray): Rect {
    const step: Step = { rect, before: cut(before, this.width, rect), after: cut(this.values, this.width, rect) };
    this.#future = [];
    if (same(step.before, step.after)) return rect;
    this.#past.push(step);
    this.#bytes += 2 * step.after.length;
    while (this.#bytes > MOST_BYTES && this.#past.length > 1) this.#bytes -= 2 * (this.#past.shift()?.after.length ?? 0);
    return rect;
  }
}

function smooth(share: number): number {
  const at = Math.min(1, Math.max(0, share));
  return at * at * (3 - 2 * at);
}

export function around(a: Rect | undefined, b: Rect | undefined): Rect | undefined {
  if (!a || !b) return a ?? b;
  const [left, top] = [Math.min(a[0], b[0]), Math.min(a[1], b[1])];
  return [left, top, Math.max(a[0] + a[2], b[0] + b[2]) - left, Math.max(a[1] + a[3], b[1] + b[3]) - top];
}

function cut(values: Uint8ClampedArray, width: number, [x, y, columns, rows]: Rect): Uint8ClampedArray {
  const part = new Uint8ClampedArray(columns * rows);
  for (let row = 0; row < rows; row += 1) part.set(values.subarray((y + row) * width + x, (y + row) * width + x + columns), row * columns);
  return part;
}

function paste(values: Uint8ClampedArray, width: number, [x, y, columns, rows]: Rect, part: Uint8ClampedArray): void {
  for (let row = 0; row < rows; row += 1) values.set(part.subarray(row * columns, (row + 1) * columns), (y + row) * width + x);
}

function same(a: Uint8ClampedArray, b: Uint8ClampedArray): boolean {
  return a.every((value, index) => value === b[index]);
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
