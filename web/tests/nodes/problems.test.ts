import { expect, test } from "vitest";
import { problemHeight, problemOf } from "../../src/nodes/problems";
import { duration, statusDetails, statusWords } from "../../src/nodes/status";
import { weigh } from "../../src/widgets/weights";
import { readMarkdown } from "../../src/widgets/markdown";

const fault = (kind: string, cause: string, input: string) => [{ message: "m", cause, kind, input, traceback: [] }];

test("each fault says what is wrong, what to do, and offers one thing", () => {
  const [missing] = problemOf("SaveImage", true, fault("required_input_missing", "images", "images"));
  expect(missing).toMatchObject({ what: "images needs a thread.", action: "supply", input: "images" });
  const [listed] = problemOf("VAELoader", true, fault("value_not_in_list", "vae_name: 'a b.pt' not in ['c.pt']", "vae_name"));
  expect(listed).toMatchObject({ what: "a b.pt is not in the list.", action: "choose" });
});

test("an exception's first sentence is what is wrong, the rest what to do", () => {
  const error = { message: "No checkpoint 'x' in models. Put the file there, then refresh the list.", cause: "weft.CheckpointNotFound", traceback: ["a\n", "b"] };
  const [problem] = problemOf("CheckpointLoaderSimple", true, [], error);
  expect(problem?.what).toBe("No checkpoint 'x' in models.");
  expect(problem?.hint).toBe("Put the file there, then refresh the list.");
  expect(problem?.details).toContain("a\nb");
});

test("a type that nobody knows is all that is wrong with its node", () => {
  expect(problemOf("Nobody", false, fault("x", "y", "z"))).toHaveLength(1);
});

test("more words need more room, a wider node less", () => {
  const long = problemOf("A", true, [{ message: "long ".repeat(40), cause: "", traceback: [] }]);
  expect(problemHeight(long, 200)).toBeGreaterThan(problemHeight(long, 400));
  expect(problemHeight([], 200)).toBe(0);
});

test("a title's right says what a person asks next", () => {
  expect(statusWords(0, { state: "running", value: 14, max: 20 })).toBe("14 / 20");
  expect(statusWords(0, { state: "done", ms: 12.3 })).toBe("12 ms");
  expect(statusWords(0, { state: "cached" })).toBe("cached");
  expect(statusWords(4, { state: "done", ms: 1 })).toBe("bypassed");
  expect(statusWords(0, { state: "off", note: "too large" })).toBe("switched off");
  expect(duration(63_400)).toBe("1 min 3 s");
});

test("who points at it learns more: the memory that a node took, or why it is off", () => {
  const memory = { host: 9 << 20, growth: 300 << 20, device: 3 * 1024 ** 3 };
  expect(statusDetails({ state: "done", ms: 1, memory })).toBe("300 MB more memory, 3.0 GB on the graphics card");
  expect(statusDetails({ state: "done", ms: 1, memory: { host: 1, growth: 5, device: 0 } })).toBeUndefined();
  expect(statusDetails({ state: "off", note: "too large" })).toBe("too large");
});

test("weights are found in prompts, nested and escaped ones too", () => {
  expect(weigh("a (b:1.3), [c] \\(d\\) (e (f))")).toEqual([
    { text: "a ", weight: 1 },
    { text: "(b:1.3)", weight: 1.3 },
    { text: ", ", weight: 1 },
    { text: "[c]", weight: 1 },
    { text: " \\(d\\) ", weight: 1 },
    { text: "(e (f))", weight: 1.1 },
  ]);
  expect(weigh("(open").map((run) => run.text).join("")).toBe("(open");
});

test("notes are read as text: no HTML, no script in a link", () => {
  const blocks = readMarkdown("# Title\n- one **two**\n<b>x</b> [bad](javascript:alert) [good](https://a.b)");
  expect(blocks.map((block) => block.kind)).toEqual(["heading", "item", "paragraph"]);
  const text = JSON.stringify(blocks);
  expect(text).toContain("<b>x</b>");
  expect(text).not.toContain("javascript:");
});
