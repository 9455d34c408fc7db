/** Cutting by a stroke and lining up while dragging, as sums. */
import { describe, expect, it } from "vitest";
import { crosses } from "../../src/canvas/cutting";
import { wayBetween } from "../../src/canvas/routes";
import { snapped, snappedToGrid } from "../../src/canvas/snap";
import type { Rect } from "../../src/graph";

describe("a stroke", () => {
  const { points } = wayBetween([0, 0], [300, 120]);
  it("cuts what it crosses", () => expect(crosses(points, [150, -50], [150, 200])).toBe(true));
  it("leaves what it stops short of, runs beside, or passes by", () => {
    expect(crosses(points, [150, -50], [150, 20])).toBe(false);
    expect(crosses(points, [0, 40], [100, 100])).toBe(false);
    expect(crosses(points, [400, -50], [400, 200])).toBe(false);
  });
  it("cuts threads that go round to the left too", () => {
    const around = wayBetween([300, 0], [0, 300], [[100, -20, 200, 100], [0, 280, 200, 100]]);
    expect(crosses(around.points, [150, 150], [150, 230])).toBe(true);
  });
});

describe("what is carried", () => {
  const other: Rect = [100, 100, 200, 80];
  it("sticks to a near edge and shows the line from end to end", () => {
    const { by, guides } = snapped([0, 300, 200, 60], [97, 0], [other], 5);
    expect(by).toEqual([100, 0]);
    expect(guides).toEqual([{ axis: 0, at: 100, from: 100, to: 360 }]);
  });
  it("sticks to both ways at once, and to middles with middles", () => {
    expect(snapped([0, 0, 200, 80], [103, 98], [other], 5).by).toEqual([100, 100]);
    expect(snapped([0, 400, 100, 60], [148, 0], [other], 5).by).toEqual([150, 0]);
  });
  it("goes where the pointer goes when nothing is near", () => {
    expect(snapped([0, 300, 190, 60], [60, 33], [other], 5)).toEqual({ by: [60, 33], guides: [] });
  });
  it("falls on the grid wherever it began", () => {
    expect(snappedToGrid([5, 7, 10, 10], [20, 20], 12)).toEqual([19, 17]);
  });
});
