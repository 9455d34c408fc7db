/** What lies where: a hash of cells, so that a look at one place asks few. */
import type { Rect } from "../graph";
import { overlaps } from "./camera";

const CELL = 512;

export class Grid<Id> {
  readonly #rects = new Map<Id, Rect>();
  readonly #cells = new Map<number, Set<Id>>();

  get size(): number {
    return this.#rects.size;
  }

  rect(id: Id): Rect | undefined {
    return this.#rects.get(id);
  }

  put(id: Id, rect: Rect): void {
    const old = this.#rects.get(id);
    this.#rects.set(id, rect);
    if (old && sameCells(old, rect)) return;
    if (old) for (const key of cells(old)) this.#cells.get(key)?.delete(id);
    for (const key of cells(rect)) {
      const cell = this.#cells.get(key);
      if (cell) cell.add(id);
      else this.#cells.set(key, new Set([id]));
    }
  }

  remove(id: Id): void {
    const old = this.#rects.get(id);
    if (!old) return;
    this.#rects.delete(id);
    for (const key of cells(old)) this.#cells.get(key)?.delete(id);
  }

  clear(): void {
    this.#rects.clear();
    this.#cells.clear();
  }

  /** All that overlap `area`; where the area is large, by asking each. */
  query(area: Rect): Set<Id> {
    const found = new Set<Id>();
    const wanted = ((area[2] / CELL) | 0) * ((area[3] / CELL) | 0);
    if (wanted > this.#cells.size) {
      for (const [id, rect] of this.#rects) if (overlaps(rect, area)) found.add(id);
      return found;
    }
    for (const key of cells(area)) {
      for (const id of this.#cells.get(key) ?? []) {
        const rect = this.#rects.get(id);
        if (rect && overlaps(rect, area)) found.add(id);
      }
    }
    return found;
  }
}

/** Cells that a rectangle touches, each as one number. */
function* cells([x, y, width, height]: Rect): Generator<number> {
  const right = Math.floor((x + width) / CELL);
  const bottom = Math.floor((y + height) / CELL);
  for (let row = Math.floor(y / CELL); row <= bottom; row += 1) {
    for (let column = Math.floor(x / CELL); column <= right; column += 1) yield row * 1_000_003 + column;
  }
}

function sameCells(a: Rect, b: Rect): boolean {
  const at = (value: number): number => Math.floor(value / CELL);
  return (
    at(a[0]) === at(b[0]) && at(a[1]) === at(b[1]) && at(a[0] + a[2]) === at(b[0] + b[2]) && at(a[1] + a[3]) === at(b[1] + b[3])
  );
}
