/** Something being drawn: bytes by pixel, strokes that are one step each, undo and redo. Knows no DOM. */
import type { Point, Rect } from "../graph";

export interface Brush {
  /** Pixels of the picture. */
  readonly radius: number;
  /** Share of the radius that is painted whole, 0 to 1; beyond it the stroke falls off. */
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

export abstract class Drawn {
  readonly values: Uint8ClampedArray;
  /** Told of every step that undo can take back. */
  noted: () => void = () => {};
  #past: Step[] = [];
  #future: Step[] = [];
  #bytes = 0;
  /** What was there before the stroke that is being drawn, and what it has touched. */
  #stroke: { readonly before: Uint8ClampedArray; rect: Rect | undefined } | undefined;
  #last: Point | undefined;

  /** @param channels bytes of a pixel. */
  constructor(
    readonly width: number,
    readonly height: number,
    readonly channels: number,
    values?: Uint8ClampedArray,
  ) {
    this.values = values ?? new Uint8ClampedArray(width * height * channels);
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

  /** Paint one round of the brush over what was there before the stroke. @param much how much of a pixel it covers, 0 to 255. */
  protected abstract touch(index: number, much: number, before: Uint8ClampedArray, brush: Brush): void;

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
    if (stroke?.rect) this.note(stroke.rect, stroke.before);
  }

  /** Take back the stroke that is being drawn. @returns what has changed. */
  cancel(): Rect | undefined {
    const stroke = this.#stroke;
    this.#stroke = undefined;
    if (stroke) this.values.set(stroke.before);
    return stroke?.rect;
  }

  undo(): Rect | undefined {
    return this.#go(this.#past, this.#future, "before");
  }

  redo(): Rect | undefined {
    return this.#go(this.#future, this.#past, "after");
  }

  #dab([cx, cy]: Point, brush: Brush): Rect | undefined {
    const { radius, hardness } = brush;
    const before = this.#stroke?.before ?? this.values;
    const [left, top] = [Math.max(0, Math.floor(cx - radius)), Math.max(0, Math.floor(cy - radius))];
    const [right, bottom] = [Math.min(this.width, Math.ceil(cx + radius) + 1), Math.min(this.height, Math.ceil(cy + radius) + 1)];
    if (left >= right || top >= bottom) return undefined;
    const hard = Math.min(radius - 0.5, radius * hardness);
    for (let y = top; y < bottom; y += 1) {
      for (let x = left; x < right; x += 1) {
        const away = Math.hypot(x + 0.5 - cx, y + 0.5 - cy);
        if (away >= radius) continue;
        this.touch(y * this.width + x, away <= hard ? 255 : Math.round(255 * smooth((radius - away) / Math.max(0.5, radius - hard))), before, brush);
      }
    }
    return [left, top, right - left, bottom - top];
  }

  #go(from: Step[], to: Step[], side: "before" | "after"): Rect | undefined {
    const step = from.pop();
    if (!step) return undefined;
    to.push(step);
    paste(this.values, this.width, this.channels, step.rect, step[side]);
    return step.rect;
  }

  /** All of it becomes what `work` makes of it: one step. */
  protected all(work: (values: Uint8ClampedArray) => Uint8ClampedArray): Rect {
    const before = this.values.slice();
    this.values.set(work(before));
    return this.note([0, 0, this.width, this.height], before);
  }

  /** One step, of what a rectangle held before. */
  protected note(rect: Rect, before: Uint8ClampedArray): Rect {
    const step: Step = { rect, before: cut(before, this.width, this.channels, rect), after: cut(this.values, this.width, this.channels, rect) };
    this.#future = [];
    if (same(step.before, step.after)) return rect;
    this.#past.push(step);
    this.#bytes += 2 * step.after.length;
    while (this.#bytes > MOST_BYTES && this.#past.length > 1) this.#bytes -= 2 * (this.#past.shift()?.after.length ?? 0);
    this.noted();
    return rect;
  }
}

/**
 * What hangs together with a point and looks like it.
 * @param pixels RGBA. @param tolerance 0 to 255, how far each colour may be from the point's.
 * @param take is called with each such pixel. @returns the rectangle around them; undefined if the point lies outside.
 */
export function flood(pixels: Uint8ClampedArray, width: number, height: number, [x, y]: Point, tolerance: number, take: (index: number) => void): Rect | undefined {
  const [column, row] = [Math.floor(x), Math.floor(y)];
  if (column < 0 || row < 0 || column >= width || row >= height) return undefined;
  const start = row * width + column;
  const like = (index: number): boolean => {
    for (let part = 0; part < 3; part += 1) if (Math.abs((pixels[index * 4 + part] ?? 0) - (pixels[start * 4 + part] ?? 0)) > tolerance) return false;
    return true;
  };
  const seen = new Uint8Array(width * height);
  const open = [start];
  seen[start] = 1;
  let [least, most, leftmost, rightmost] = [row, row, column, column];
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    take(index);
    const [px, py] = [index % width, Math.floor(index / width)];
    [least, most, leftmost, rightmost] = [Math.min(least, py), Math.max(most, py), Math.min(leftmost, px), Math.max(rightmost, px)];
    for (const next of [px > 0 ? index - 1 : -1, px < width - 1 ? index + 1 : -1, index - width, index + width]) {
      if (next < 0 || next >= seen.length || seen[next] === 1) continue;
      seen[next] = 1;
      if (like(next)) open.push(next);
    }
  }
  return [leftmost, least, rightmost - leftmost + 1, most - least + 1];
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

function cut(values: Uint8ClampedArray, width: number, channels: number, [x, y, columns, rows]: Rect): Uint8ClampedArray {
  const part = new Uint8ClampedArray(columns * rows * channels);
  for (let row = 0; row < rows; row += 1) {
    const from = ((y + row) * width + x) * channels;
    part.set(values.subarray(from, from + columns * channels), row * columns * channels);
  }
  return part;
}

function paste(values: Uint8ClampedArray, width: number, channels: number, [x, y, columns, rows]: Rect, part: Uint8ClampedArray): void {
  for (let row = 0; row < rows; row += 1) values.set(part.subarray(row * columns * channels, (row + 1) * columns * channels), ((y + row) * width + x) * channels);
}

function same(a: Uint8ClampedArray, b: Uint8ClampedArray): boolean {
  return a.every((value, index) => value === b[index]);
}
