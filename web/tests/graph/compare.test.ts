import { describe, expect, test } from "vitest";
import { NodeDefs, type JsonObject, compareStates, parseWorkflow } from "../../src/graph";

const note = (id: number, text: string, more: JsonObject = {}): JsonObject => ({
  id, type: "Note", pos: [0, 100 * id], size: [200, 80], mode: 0, widgets_values: [text], ...more,
});
const knot = (id: number, link: number | null): JsonObject => ({
  id, type: "Reroute", pos: [300, 100 * id], size: [75, 26], mode: 0,
  inputs: [{ name: "", type: "*", link }],
  outputs: [{ name: "", type: "*", links: [] }],
});
const defs = new NodeDefs([]);
const stateOf = (nodes: readonly JsonObject[], links: readonly (readonly (number | string)[])[] = []) =>
  parseWorkflow({ nodes, links, version: 0.4 }, defs).state;
const wordsOf = (one: ReturnType<typeof stateOf>, other: ReturnType<typeof stateOf>) =>
  compareStates(one, other).differences.map(({ id, in: where, parts }) => [id, where, ...parts]);

describe("two states of a workflow", () => {
  test("that are the same differ in nothing", () => {
    const state = stateOf([note(1, "a"), knot(2, null)]);
    expect(compareStates(state, stateOf([note(1, "a"), knot(2, null)]))).toEqual({ differences: [], moved: 0 });
  });

  test("differ in nodes that one alone has, and in what others say", () => {
    const one = stateOf([note(1, "a"), note(2, "b"), note(3, "c")]);
    const other = stateOf([note(1, "a"), note(3, "d", { title: "Mine" }), note(4, "e")]);
    const [text] = compareStates(stateOf([note(3, "c")]), stateOf([note(3, "d")])).differences[0]?.parts ?? [];
    expect(text).toBeDefined();
    expect(wordsOf(one, other)).toEqual([
      [2, "one"],
      [3, "both", "title", text],
      [4, "other"],
    ]);
  });

  test("differ in a node whose thread comes from elsewhere", () => {
    const nodes = [knot(1, null), knot(2, null), knot(3, 1)];
    const one = stateOf(nodes, [[1, 1, 0, 3, 0, "*"]]);
    const other = stateOf(nodes, [[1, 2, 0, 3, 0, "*"]]);
    expect(wordsOf(one, other)).toEqual([[3, "both", ""]]);
    expect(wordsOf(one, one)).toEqual([]);
  });

  test("with nodes in other places alone have only moved", () => {
    const one = stateOf([note(1, "a"), note(2, "b")]);
    const other = stateOf([note(1, "a", { pos: [5, 5] }), note(2, "b")]);
    expect(compareStates(one, other)).toEqual({ differences: [], moved: 1 });
  });

  test("differ in the way a node runs and looks", () => {
    expect(wordsOf(stateOf([note(1, "a")]), stateOf([note(1, "a", { mode: 4, color: "#222" })]))).toEqual([[1, "both", "mode", "look"]]);
  });
});
