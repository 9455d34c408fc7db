import { expect, test } from "vitest";
import type { NodeDef } from "../../src/graph";
import { type Branch, branchesOf } from "../../src/panels/node-tree";
import { goldenDefs } from "../graph/golden";

const sampler = [...goldenDefs.all()].find(({ name }) => name === "KSampler");
const called = (name: string, category: string): NodeDef => {
  if (!sampler) throw new Error("no KSampler among the golden definitions");
  return { ...sampler, name, category };
};
const drawn = (branches: readonly Branch[]): unknown[] => branches.map(({ name, count, branches: inner, defs }) => [name, count, drawn(inner), defs.map((def) => def.name)]);

test("categories become branches, what is for testing last, what has none under a word of its own", () => {
  const defs = [called("A", "_for_testing"), called("B", "advanced/model_merging/parts"), called("C", "advanced"), called("D", ""), called("E", "/mine/"), called("F", "advanced/model_merging")];
  expect(drawn(branchesOf(defs, "Other"))).toEqual([
    ["advanced", 3, [["model merging", 2, [["parts", 1, [], ["B"]]], ["F"]]], ["C"]],
    ["mine", 1, [], ["E"]],
    ["Other", 1, [], ["D"]],
    ["for testing", 1, [], ["A"]],
  ]);
});

test("every node stands in the tree once", () => {
  const names = (branches: readonly Branch[]): string[] => branches.flatMap(({ branches: inner, defs }) => [...names(inner), ...defs.map(({ name }) => name)]);
  const all = [...goldenDefs.all()];
  expect(names(branchesOf(all, "Other")).sort()).toEqual(all.map(({ name }) => name).sort());
});
