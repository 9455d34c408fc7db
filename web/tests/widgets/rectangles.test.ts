/** Rectangles as values, and the size of pictures that a camera takes. */
import { expect, test } from "vitest";
import { sizeFor } from "../../src/widgets/capture";
import { rectangleOf, withRectangle } from "../../src/widgets/rectangles";

test("a rectangle is written in the shape that it had, with what else it said", () => {
  expect(rectangleOf({ x: 1, y: 2, width: 3, height: 4 })).toEqual([1, 2, 3, 4]);
  expect(rectangleOf([1, 2, 3, 4, "face"])).toEqual([1, 2, 3, 4]);
  expect(rectangleOf(null)).toEqual([0, 0, 0, 0]);
  expect(withRectangle({ x: 1, label: "face" }, [5, 6, 7, 8])).toEqual({ x: 5, y: 6, width: 7, height: 8, label: "face" });
  expect(withRectangle([1, 2, 3, 4, "face"], [5, 6, 7, 8])).toEqual([5, 6, 7, 8, "face"]);
  expect(withRectangle(null, [5, 6, 7, 8])).toEqual({ x: 5, y: 6, width: 7, height: 8 });
});

test("the camera's size stands where none is asked for, its shape where one side is", () => {
  expect(sizeFor([640, 480], [0, 0])).toEqual([640, 480]);
  expect(sizeFor([640, 480], [320, 0])).toEqual([320, 240]);
  expect(sizeFor([640, 480], [0, 96])).toEqual([128, 96]);
  expect(sizeFor([640, 480], [50, 60])).toEqual([50, 60]);
});
