/** The cases that hold the canvas's converter and the server's to each other (tests/server/graph/test_convert_cases.py). */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseJson } from "../../src/graph/json";
import { toPrompt } from "../../src/graph/prompt/to-prompt";
import type { JsonObject } from "../../src/graph/types";
import { parseWorkflow } from "../../src/graph/workflow/parse";
import { goldenDefs } from "./golden";

interface Case {
  readonly name: string;
  readonly workflow: JsonObject;
  readonly prompt?: JsonObject;
  readonly error?: { readonly type: string; readonly node?: string; readonly class_type?: string };
}

const path = new URL("../../../tests/data/convert/cases.json", import.meta.url);
const cases = parseJson(readFileSync(path, "utf8")) as unknown as readonly Case[];

function converted(workflow: JsonObject): JsonObject {
  const { prompt } = toPrompt(parseWorkflow(workflow, goldenDefs).state, goldenDefs, { random: () => 0 });
  return Object.fromEntries(
    Object.entries(prompt).map(([id, { class_type, inputs }]) => [id, { class_type, inputs }]),
  );
}

test.each(cases.filter(({ prompt }) => prompt))("$name", ({ workflow, prompt }) => {
  expect(converted(workflow)).toEqual(prompt);
});

/** The canvas sends a node that nobody describes, so that the server names it. */
test.each(cases.filter(({ error }) => error?.node))("$name", ({ workflow, error }) => {
  expect(goldenDefs.get(error?.class_type ?? "")).toBeUndefined();
  expect(converted(workflow)[error?.node ?? ""]).toMatchObject({ class_type: error?.class_type });
});

test.each(cases.filter(({ error }) => error && !error.node))("$name: it ends", ({ workflow }) => {
  expect(converted(workflow)).toEqual({});
});
