import { describe, expect, it } from "vitest";
import { sameBefore, seedBefore } from "../../src/app/pictures";
import type { JsonObject } from "../../src/graph";

const prompt = (seed: number, prefix = "a"): JsonObject => ({
  "1": { class_type: "CheckpointLoaderSimple", inputs: { ckpt_name: "x" } },
  "2": { class_type: "KSampler", inputs: { model: ["1", 0], seed } },
  "3": { class_type: "SaveImage", inputs: { images: ["2", 0], filename_prefix: prefix } },
});

describe("what lies before a node in a prompt", () => {
  it("has the seed nearest to it", () => {
    expect(seedBefore(prompt(7), "3")).toBe("7");
    expect(seedBefore(prompt(7), "1")).toBeUndefined();
  });

  it("is the same when only what follows the node has changed", () => {
    expect(sameBefore(prompt(7, "a"), prompt(7, "b"), "2")).toBe(true);
    expect(sameBefore(prompt(7, "a"), prompt(7, "b"), "3")).toBe(false);
  });

  it("is another when an input of the node, or of one before it, has changed", () => {
    expect(sameBefore(prompt(7), prompt(8), "2")).toBe(false);
    expect(sameBefore(prompt(7), prompt(8), "3")).toBe(false);
    expect(sameBefore(prompt(7), prompt(8), "1")).toBe(true);
  });

  it("ends where nodes go round, and is not the same where a node is missing", () => {
    const round: JsonObject = { "1": { class_type: "A", inputs: { x: ["2", 0] } }, "2": { class_type: "B", inputs: { x: ["1", 0] } } };
    expect(sameBefore(round, round, "1")).toBe(true);
    expect(sameBefore(round, {}, "1")).toBe(false);
  });
});
