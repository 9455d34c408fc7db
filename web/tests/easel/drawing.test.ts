/** The mask that is drawn, as sums: strokes, fills, whole-mask acts, and its history. */
import { describe, expect, it } from "vitest";
import { MaskDrawing } from "../../src/easel/drawing";

const HARD = { radius: 5, hardness: 1, erase: false };
const at = (mask: MaskDrawing, x: number, y: number): number => mask.values[y * mask.width + x] ?? -1;

function stroke(mask: MaskDrawing, points: readonly (readonly [number, number])[], brush = HARD): void {
  mask.begin();
  for (const point of points) mask.draw(point, brush);
  mask.end();
}

describe("a stroke", () => {
  it("paints without gaps however far apart its points are, and nothing beyond the brush", () => {
    const mask = new MaskDrawing(200, 40);
    stroke(mask, [[10, 20], [190, 20]]);
    for (let x = 10; x < 190; x += 1) expect(at(mask, x, 20)).toBe(255);
    expect(at(mask, 100, 27)).toBe(0);
    expect(at(mask, 100, 12)).toBe(0);
  });

  it("is as soft as its brush, however often it goes over a place", () => {
    const once = new MaskDrawing(60, 60);
    const often = new MaskDrawing(60, 60);
    const soft = { radius: 20, hardness: 0.2, erase: false };
    stroke(once, [[30, 30]], soft);
    stroke(often, Array.from({ length: 20 }, () => [30, 30] as const), soft);
    expect(often.values).toEqual(once.values);
    expect(at(once, 30, 30)).toBe(255);
    expect(at(once, 44, 30)).toBeGreaterThan(0);
    expect(at(once, 44, 30)).toBeLessThan(255);
  });

  it("erases, and is one step to undo and redo; a stroke that is taken back leaves none", () => {
    const mask = new MaskDrawing(50, 50);
    stroke(mask, [[10, 10], [40, 40]]);
    const painted = mask.values.slice();
    stroke(mask, [[10, 40], [40, 10]], { ...HARD, erase: true });
    expect(at(mask, 25, 25)).toBe(0);
    mask.undo();
    expect(mask.values).toEqual(painted);
    mask.redo();
    expect(at(mask, 25, 25)).toBe(0);
    mask.undo();
    mask.begin();
    mask.draw([25, 25], { ...HARD, radius: 20 });
    mask.cancel();
    expect(mask.values).toEqual(painted);
    mask.undo();
    expect(mask.isEmpty).toBe(true);
    expect(mask.canUndo).toBe(false);
  });

  it("stays within the picture", () => {
    const mask = new MaskDrawing(20, 20);
    stroke(mask, [[-30, -30], [50, 50]]);
    expect(at(mask, 0, 0)).toBe(255);
    expect(at(mask, 19, 19)).toBe(255);
    expect(mask.values).toHaveLength(400);
  });
});

describe("a fill", () => {
  it("takes what hangs together and looks alike, within the tolerance", () => {
    const pixels = new Uint8ClampedArray(10 * 4 * 4).map((_, index) => ([0, 1, 2].includes(index % 4) ? [100, 100, 100, 110, 110, 200, 100, 100, 100, 100][Math.floor(index / 4) % 10]! : 255));
    const mask = new MaskDrawing(10, 4);
    expect(mask.fill([0, 0], pixels, 16, false)).toEqual([0, 0, 5, 4]);
    expect([...mask.values.slice(0, 10)]).toEqual([255, 255, 255, 255, 255, 0, 0, 0, 0, 0]);
    mask.fill([0, 0], pixels, 4, true);
    expect([...mask.values.slice(0, 10)]).toEqual([0, 0, 0, 255, 255, 0, 0, 0, 0, 0]);
    expect(mask.fill([-1, 3], pixels, 4, true)).toBeUndefined();
  });
});

describe("the whole mask", () => {
  it("inverts, clears, grows and shrinks, each one step", () => {
    const mask = new MaskDrawing(30, 20);
    stroke(mask, [[15, 10]]);
    const painted = mask.values.slice();
    mask.invert();
    expect(at(mask, 15, 10)).toBe(0);
    mask.invert();
    mask.grow(3);
    expect(at(mask, 15, 17)).toBeGreaterThan(250);
    mask.grow(-3);
    expect(at(mask, 15, 17)).toBe(0);
    mask.clear();
    expect(mask.isEmpty).toBe(true);
    for (let step = 0; step < 5; step += 1) mask.undo();
    expect(mask.values).toEqual(painted);
  });

  it("feathers edges evenly and keeps how much is painted", () => {
    const mask = new MaskDrawing(64, 48);
    stroke(mask, [[32, 24]], { ...HARD, radius: 12 });
    const sum = (): number => mask.values.reduce((total, value) => total + value, 0);
    const before = sum();
    mask.feather(3);
    expect(Math.abs(sum() / before - 1)).toBeLessThan(0.02);
    expect(Math.abs(at(mask, 32 - 12, 24) - at(mask, 31 + 12, 24))).toBeLessThan(3);
    expect(at(mask, 32, 24)).toBeGreaterThan(250);
    expect(at(mask, 32 + 12, 24)).toBeGreaterThan(60);
  });
});
