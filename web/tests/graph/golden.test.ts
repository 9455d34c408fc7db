import { describe, expect, test } from "vitest";
import { toPrompt } from "../../src/graph/prompt/to-prompt";
import type { DocumentState, JsonObject, JsonValue } from "../../src/graph/types";
import { isArray, isObject, without } from "../../src/graph/values";
import { parseWorkflow } from "../../src/graph/workflow/parse";
import { serialize } from "../../src/graph/workflow/serialize";
import { goldenDefs, prompts, workflows } from "./golden";

/** Rename nodes in the order in which outputs reach them, so that ids do not count. */
function renumbered(prompt: JsonObject): JsonValue {
  const shape = (id: string, seen: ReadonlySet<string>): JsonValue => {
    const node = prompt[id];
    if (!isObject(node) || !isObject(node.inputs) || seen.has(id)) return null;
    const inputs = Object.entries(node.inputs).map(([name, value]): [string, JsonValue] => {
      const wired =
        isArray(value) && value.length === 2 && typeof value[0] === "string" && Object.hasOwn(prompt, value[0]);
      return [name, wired ? [shape(String(value[0]), new Set([...seen, id])), value[1] ?? null] : value];
    });
    return { ...node, inputs: Object.fromEntries(inputs) };
  };
  const told = Object.keys(prompt).map((id) => JSON.stringify(sorted(shape(id, new Set())), bigintText));
  return told.sort();
}

function sorted(value: JsonValue): JsonValue {
  if (isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key] ?? null)]),
  );
}

function bigintText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

/** Titles that people gave count; what the official editor calls a type without one comes from its translations. */
function withGivenTitles(prompt: JsonObject, given: ReadonlySet<JsonValue>): JsonObject {
  return Object.fromEntries(
    Object.entries(prompt).map(([id, node]) => {
      if (!isObject(node) || !isObject(node._meta) || given.has(node._meta.title ?? null)) return [id, node];
      return [id, { ...node, _meta: without(node._meta, ["title"]) }];
    }),
  );
}

function givenTitles({ graphs }: DocumentState): Set<JsonValue> {
  return new Set(
    [...graphs.values()].flatMap((graph) => [...graph.nodes.values()].flatMap(({ title }) => title ?? [])),
  );
}

function idPaths(prompt: JsonObject): string {
  return Object.keys(prompt).sort().join();
}

describe.each(Object.keys(workflows))("official workflow %s", (name) => {
  const workflow = workflows[name] ?? {};
  const expected = prompts[name] ?? {};
  const { state } = parseWorkflow(workflow, goldenDefs);

  test("makes the prompt that the official editor makes", () => {
    const prompt = withGivenTitles(toPrompt(state, goldenDefs).prompt, givenTitles(state));
    const official = withGivenTitles(expected, givenTitles(state));
    if (idPaths(prompt) === idPaths(official)) expect(prompt).toEqual(official);
    else expect(renumbered(prompt)).toEqual(renumbered(official));
  });

  test("makes the same prompt after it is saved and opened", () => {
    const again = parseWorkflow(serialize(state, goldenDefs), goldenDefs).state;
    expect(toPrompt(again, goldenDefs).prompt).toEqual(toPrompt(state, goldenDefs).prompt);
  });
});
