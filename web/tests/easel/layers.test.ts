/** Layers of a mask: what they make together, and one history for strokes and for the list. */
import { describe, expect, it } from "vitest";
import { MaskLayers } from "../../src/easel/layers";
import type { Rect } from "../../src/graph";

const dot = (layers: MaskLayers, x: number, erase = false): Rect => {
  const { drawing } = layers.active;
  drawing.begin();
  const rect = drawing.draw([x, 5], { radius: 2, hardness: 1, erase });
  drawing.end();
  return layers.flatten(rect);
};
const at = (layers: MaskLayers, x: number): number => layers.flat[5 * layers.width + x] ?? -1;

describe("layers", () => {
  it("add up, weakly or whole, and cut away from what lies below alone", () => {
    const layers = new MaskLayers(30, 10, "one");
    dot(layers, 5);
    dot(layers, 15);
    layers.add("two");
    dot(layers, 15);
    dot(layers, 25);
    const two = layers.active.id;
    layers.change(two, { strength: 0.5 });
    expect([5, 15, 25].map((x) => at(layers, x))).toEqual([255, 255, 128]);
    layers.change(two, { strength: 1, cuts: true });
    expect([5, 15, 25].map((x) => at(layers, x))).toEqual([255, 0, 0]);
    layers.move(two, -1);
    expect([5, 15, 25].map((x) => at(layers, x))).toEqual([255, 255, 0]);
    layers.change(two, { cuts: false, shown: false });
    expect(at(layers, 25)).toBe(0);
  });

  it("are undone and done again in the order in which things were done", () => {
    const layers = new MaskLayers(30, 10, "one");
    const states: number[][] = [[...layers.flat]];
    const note = (): void => void states.push([...layers.flat]);
    dot(layers, 5), note();
    const first = layers.active.id;
    layers.add("two"), note();
    dot(layers, 15), note();
    layers.choose(first);
    dot(layers, 5, true), note();
    layers.remove(first), note();
    for (let step = states.length - 2; step >= 0; step -= 1) {
      layers.undo();
      expect([...layers.flat]).toEqual(states[step]);
    }
    expect(layers.canUndo).toBe(false);
    for (let step = 1; step < states.length; step += 1) {
      layers.redo();
      expect([...layers.flat]).toEqual(states[step]);
    }
    expect(layers.canRedo).toBe(false);
    expect(layers.layers.map(({ name }) => name)).toEqual(["two"]);
  });

  it("begin with the mask that was there, and the last one stays", () => {
    const layers = new MaskLayers(2, 1, "one", new Uint8ClampedArray([7, 200]));
    expect([...layers.flat]).toEqual([7, 200]);
    expect(layers.remove(layers.active.id)).toBeUndefined();
    expect(layers.canUndo).toBe(false);
  });
});
