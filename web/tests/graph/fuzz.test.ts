/** Files from elsewhere may hold anything: they are opened or refused in words, and never break the editor. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  GraphDocument,
  type JsonValue,
  WorkflowError,
  openJson,
  serialize,
  stringifyJson,
  toPrompt,
  widgetsOf,
} from "../../src/graph";
import { isArray, isObject } from "../../src/graph/values";
import { goldenDefs, workflows } from "./golden";

const STARTS = [
  "basic_switch_node",
  "image_flux2",
  "api_from_photo_2_miniature",
  "sdxl_revision_text_prompts",
  "video_wan_ati",
];

/** Another value at a place that `path` leads to. */
function spoil(value: JsonValue, path: readonly number[], put: JsonValue): JsonValue {
  const [step, ...rest] = path;
  if (step === undefined) return put;
  if (isArray(value) && value.length > 0)
    return value.with(step % value.length, spoil(value[step % value.length] ?? null, rest, put));
  if (!isObject(value)) return put;
  const keys = Object.keys(value);
  const key = keys[step % Math.max(1, keys.length)];
  return key === undefined ? put : { ...value, [key]: spoil(value[key] ?? null, rest, put) };
}

const values: fc.Arbitrary<JsonValue> = fc.oneof(
  fc.constantFrom<JsonValue>(
    null,
    true,
    -1,
    0,
    5,
    1e9,
    "5",
    "",
    "Reroute",
    "PrimitiveNode",
    [],
    {},
    [null],
    [1, 2, 3, 4, 5, 6],
    { name: 3 },
    2n ** 60n,
  ),
  fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<JsonValue>,
);
const faults = fc.array(fc.tuple(fc.array(fc.nat(60), { minLength: 2, maxLength: 7, size: "max" }), values), {
  minLength: 1,
  maxLength: 12,
  size: "max",
});

test("a spoilt workflow opens, runs and saves as far as it can", () => {
  fc.assert(
    fc.property(fc.constantFrom(...STARTS), faults, (name, changes) => {
      const json = changes.reduce<JsonValue>((each, [path, put]) => spoil(each, path, put), workflows[name] ?? null);
      let opened;
      try {
        opened = openJson(json, goldenDefs);
      } catch (error) {
        expect(error).toBeInstanceOf(WorkflowError);
        return;
      }
      const { state } = opened;
      toPrompt(state, goldenDefs, { random: () => 0.5 });
      stringifyJson(serialize(state, goldenDefs));
      const document = new GraphDocument(goldenDefs, state);
      for (const graph of state.graphs.values())
        for (const node of graph.nodes.values()) widgetsOf(document.defs, state, graph.id, node);
    }),
    { numRuns: 200 },
  );
});

test("a spoilt prompt opens or is refused", () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.constantFrom("1", "2", "3:4", "x"),
        fc.record({
          class_type: fc.constantFrom("KSampler", "No", "Reroute", "PrimitiveNode", "BatchImagesNode"),
          inputs: fc.oneof(
            fc.dictionary(
              fc.constantFrom("model", "seed", "images.image3", "images"),
              fc.oneof(values, fc.tuple(fc.constantFrom("1", "2", "3:4"), fc.integer({ min: -2, max: 9 }))),
            ),
            values,
          ),
        }),
      ),
      (json) => {
        try {
          const { state } = openJson(json as JsonValue, goldenDefs);
          toPrompt(state, goldenDefs, { random: () => 0.5 });
        } catch (error) {
          expect(error).toBeInstanceOf(WorkflowError);
        }
      },
    ),
    { numRuns: 200 },
  );
});
