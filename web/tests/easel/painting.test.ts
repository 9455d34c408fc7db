/** Colours over a picture. */
import { describe, expect, it } from "vitest";
import { Painting, bytesOf, hexOf } from "../../src/easel/painting";

const grey = (width: number, height: number): Uint8ClampedArray => new Uint8ClampedArray(width * height * 4).map((_, index) => (index % 4 === 3 ? 255 : 100));
const pixel = (values: Uint8ClampedArray, width: number, x: number, y: number): number[] => [...values.subarray((y * width + x) * 4, (y * width + x) * 4 + 4)];
const HARD = { radius: 3, hardness: 1, erase: false };

describe("painting", () => {
  it("covers as much as it should, once however often a stroke passes, again with the next stroke", () => {
    const painting = new Painting(20, 10);
    painting.colour = [200, 0, 0];
    painting.opacity = 0.5;
    const stroke = (): void => {
      painting.begin();
      for (const x of [5, 9, 5, 9, 5]) painting.draw([x, 5], HARD);
      painting.end();
    };
    stroke();
    expect(pixel(painting.over(grey(20, 10)), 20, 5, 5)).toEqual([150, 50, 50, 255]);
    stroke();
    expect(pixel(painting.over(grey(20, 10)), 20, 5, 5)).toEqual([175, 25, 25, 255]);
    expect(pixel(painting.over(grey(20, 10)), 20, 18, 5)).toEqual([100, 100, 100, 255]);
    painting.undo();
    painting.undo();
    expect(painting.isEmpty).toBe(true);
  });

  it("is erased down to the picture, and fills what looks alike", () => {
    const picture = grey(8, 4);
    for (let row = 0; row < 4; row += 1) picture.set([0, 0, 0], (row * 8 + 4) * 4); // a wall
    const painting = new Painting(8, 4);
    painting.colour = [0, 255, 0];
    expect(painting.fill([1, 1], painting.over(picture), 10, false)).toEqual([0, 0, 4, 4]);
    expect(pixel(painting.over(picture), 8, 3, 3)).toEqual([0, 255, 0, 255]);
    expect(pixel(painting.over(picture), 8, 6, 1)).toEqual([100, 100, 100, 255]);
    painting.begin();
    painting.draw([0.5, 0.5], { ...HARD, radius: 1.5, erase: true });
    painting.end();
    expect(pixel(painting.over(picture), 8, 0, 0)).toEqual([100, 100, 100, 255]);
  });

  it("knows colours by their letters", () => {
    expect(hexOf(bytesOf("#0a80ff"))).toBe("#0a80ff");
  });
});
