import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Rect, type Seen, aligned, parseWorkflow, targetsOf, toPrompt } from "../../src/graph";
import { goldenDefs, workflows } from "./golden";

const nodes: readonly Seen[] = [[1, [0, 0, 100, 50]], [2, [140, 30, 60, 90]], [3, [500, 10, 200, 40]]];

describe("lining up", () => {
  test("by an edge moves along one axis alone", () => {
    expect([...aligned(nodes, "left").values()]).toEqual([[0, 0], [0, 30], [0, 10]]);
    expect([...aligned(nodes, "right").values()]).toEqual([[600, 0], [640, 30], [500, 10]]);
    expect([...aligned(nodes, "top").values()]).toEqual([[0, 0], [140, 0], [500, 0]]);
    expect([...aligned(nodes, "bottom").values()]).toEqual([[0, 70], [140, 30], [500, 80]]);
  });

  test("with even gaps keeps the outermost where there is room", () => {
    expect([...aligned(nodes, "across")]).toEqual([[1, [0, 0]], [2, [270, 30]], [3, [500, 10]]]);
  });

  test("never lets boxes overlap when they are spread", () => {
    const box = fc.tuple(fc.integer({ min: 0, max: 900 }), fc.integer({ min: 0, max: 900 }), fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 300 }));
    fc.assert(fc.property(fc.array(box, { minLength: 2, maxLength: 9 }), (boxes) => {
      const seen = boxes.map((rect, id): Seen => [id, rect as Rect]);
      const spread = [...aligned(seen, "down")].map(([id, [, y]]) => [y, y + (boxes[id as number]?.[3] ?? 0)] as const);
      for (let index = 1; index < spread.length; index += 1) expect(spread[index]![0]).toBeGreaterThanOrEqual(spread[index - 1]![1]);
    }));
  });
});

describe("a part of a prompt", () => {
  const node = (class_type: string, ...sources: string[]) => ({ class_type, _meta: {}, inputs: Object.fromEntries(sources.map((id, index) => [`in${index}`, [id, 0]])) });
  const prompt = { "1": node("Load"), "2": node("Save", "1"), "3:4": node("Work", "1"), "5": node("Save", "3:4"), "6": node("Save") };
  const isOutput = (type: string): boolean => type === "Save";

  test.each([[["2"], ["2"]], [["1"], ["2", "5"]], [["3"], ["5"]], [["6", "3:4"], ["5", "6"]], [["9"], []]])("from %j runs %j", (chosen, targets) => {
    expect(targetsOf(prompt, chosen, isOutput)).toEqual(targets);
  });

  test("of a real workflow names outputs of the prompt", () => {
    const { prompt: real } = toPrompt(parseWorkflow(Object.values(workflows)[0] ?? null, goldenDefs).state, goldenDefs);
    const outputs = targetsOf(real, Object.keys(real), (type) => goldenDefs.get(type)?.isOutput === true);
    expect(outputs.length).toBeGreaterThan(0);
  });
});
