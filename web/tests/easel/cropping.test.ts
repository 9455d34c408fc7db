/** The frame that is cut out. */
import { describe, expect, it } from "vitest";
import { HANDLES, carried, drawnTo, rounded, shapedTo, within } from "../../src/easel/cropping";
import type { Rect } from "../../src/graph";

const SIZE = [200, 100] as const;

describe("a frame", () => {
  it("is carried as far as the picture goes", () => {
    expect(carried([10, 10, 50, 40], [1000, -1000], SIZE)).toEqual([150, 0, 50, 40]);
  });

  it("is drawn by any handle, keeps what lies opposite, and never leaves the picture or its shape", () => {
    const frame: Rect = [40, 20, 80, 40];
    for (const handle of HANDLES) {
      for (const point of [[-50, -50], [100, 50], [300, 300], [60, 90]] as const) {
        for (const shape of [undefined, 1, 2.5, 0.5]) {
          const [x, y, width, height] = drawnTo(frame, handle, point, SIZE, shape);
          expect(x >= 0 && y >= 0 && width >= 1 && height >= 1 && x + width <= 200 && y + height <= 100).toBe(true);
          expect(handle[0] < 0 ? x + width : x).toBe(handle[0] < 0 ? 120 : 40);
          expect(handle[1] < 0 ? y + height : y).toBe(handle[1] < 0 ? 60 : 20);
          if (shape !== undefined && width > 10 && height > 10) expect(Math.abs(width / height - shape) / shape).toBeLessThan(0.08);
        }
      }
    }
    expect(drawnTo(frame, [1, 1], [150, 90], SIZE, undefined)).toEqual([40, 20, 110, 70]);
    expect(drawnTo(frame, [-1, 0], [10, 0], SIZE, undefined)).toEqual([10, 20, 110, 40]);
  });

  it("takes a shape about its middle, whole steps, and what was typed", () => {
    expect(shapedTo([0, 0, 200, 100], 1)).toEqual([50, 0, 100, 100]);
    expect(shapedTo([0, 0, 100, 100], 2)).toEqual([0, 25, 100, 50]);
    expect(rounded([3, 4, 77, 64], 8)).toEqual([3, 4, 72, 64]);
    expect(rounded([3, 4, 5, 64], 8)).toEqual([3, 4, 5, 64]);
    expect(within([190, -5, 50, 900], SIZE)).toEqual([190, 0, 10, 100]);
  });
});
