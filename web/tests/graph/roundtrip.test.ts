/** What a file holds that we do not know comes out as it went in: unknown keys, unknown nodes, what others wrote into it. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type JsonObject, type JsonValue, NodeDefs, isArray, isObject, jsonEqual, parseJson, parseWorkflow, serialize, stringifyJson } from "../../src/graph";
import { goldenDefs, workflows } from "./golden";

/** Open and save, through the text of a file both ways. */
function saved(workflow: JsonValue, defs: NodeDefs): JsonValue {
  const { state, camera } = parseWorkflow(parseJson(stringifyJson(workflow)), defs);
  return parseJson(stringifyJson(serialize(state, defs, camera), 2));
}

/** Where something of `before` is missing or another in `after`. */
function lost(before: JsonValue | undefined, after: JsonValue | undefined, path: string): string[] {
  if (isObject(before) && isObject(after)) return Object.keys(before).flatMap((key) => lost(before[key], after[key], `${path}.${key}`));
  if (isArray(before) && isArray(after)) {
    if (before.length !== after.length) return [`${path}: ${before.length} items became ${after.length}`];
    return before.flatMap((item, index) => lost(item, after[index], `${path}[${index}]`));
  }
  return jsonEqual(before, after) ? [] : [`${path}: ${stringifyJson(before ?? null)} became ${stringifyJson(after ?? null)}`];
}

const nobody = new NodeDefs([]);

function rows(value: JsonValue | undefined): readonly JsonObject[] {
  return isArray(value) ? value.filter(isObject) : [];
}

function subgraphs(workflow: JsonObject): readonly JsonObject[] {
  return rows(isObject(workflow.definitions) ? workflow.definitions.subgraphs : undefined);
}

/** Values of instances of subgraphs are kept by name: old forms of these are brought to the new one, their prompts are golden. */
function ordinary(workflow: JsonObject, nodes: JsonValue | undefined): readonly JsonObject[] {
  const types = new Set(subgraphs(workflow).map(({ id }) => id));
  return rows(nodes).filter(({ type }) => !types.has(type ?? null));
}

/**
 * What was lost of nodes, each found by its id. Slots are found by name: files hold links that end nowhere and slots without
 * the links that promoted widgets need, and a slot's type is what its definition says; prompts (golden.test.ts) tell of those.
 */
function lostNodes(before: readonly JsonObject[], after: JsonValue | undefined, path: string): string[] {
  const known = new Map(rows(after).map((node) => [node.id, node]));
  return before.flatMap(({ inputs, outputs, ...node }) => {
    const other = known.get(node.id ?? null) ?? {};
    const name = `${path}[${String(node.id)}: ${String(node.type)}]`;
    return [...lost(node, other, name), ...lostSlots(inputs, other.inputs, `${name} in`), ...lostSlots(outputs, other.outputs, `${name} out`)];
  });
}

function lostSlots(before: JsonValue | undefined, after: JsonValue | undefined, path: string): string[] {
  const known = new Map(rows(after).map((slot) => [slot.name, slot]));
  return rows(before).flatMap(({ link: _, links: __, linkIds: ___, type: ____, widget: _____, ...slot }) => lost(slot, known.get(slot.name ?? null), `${path} ${String(slot.name)}`));
}

function lostOf(before: JsonObject, after: JsonValue): string[] {
  if (!isObject(after)) return ["everything"];
  const { nodes, links, definitions: _, ...rest } = before;
  const found = [...lost(rest, after, ""), ...lostNodes(ordinary(before, nodes), after.nodes, ".nodes")];
  if (subgraphs(before).length === 0) found.push(...lost(links, after.links, ".links"));
  const known = new Map(subgraphs(after).map((each) => [each.id, each]));
  for (const { nodes: inner, links: __, state: ___, inputs, outputs, ...others } of subgraphs(before)) {
    const kept = known.get(others.id ?? null) ?? {};
    const path = ` subgraph ${String(others.name)}`;
    found.push(...lost(others, kept, path), ...lostNodes(ordinary(before, inner), kept.nodes, path));
    found.push(...lostSlots(inputs, kept.inputs, path), ...lostSlots(outputs, kept.outputs, path));
  }
  return found;
}

describe.each(Object.keys(workflows))("%s", (name) => {
  const workflow = workflows[name] ?? {};

  test("is saved with all that it had by one who knows none of its nodes", () => {
    expect(lostOf(workflow, saved(workflow, nobody))).toEqual([]);
  });

  test("is saved with all that it had, and what others wrote into every part of it, by one who knows them", () => {
    const foreign = marked(workflow, { by: ["rgthree", { seed: 2n ** 63n }], nothing: null, none: [] });
    expect(lostOf(foreign, saved(foreign, goldenDefs))).toEqual([]);
  });
});

/** The workflow with a key that nobody knows in each part. */
function marked(workflow: JsonObject, value: JsonValue): JsonObject {
  const mark = (part: JsonObject): JsonObject => ({ ...part, "foreign key": value });
  const marks = (parts: JsonValue | undefined): JsonValue => rows(parts).map(mark);
  const node = (each: JsonObject): JsonObject => ({
    ...mark(each),
    ...(isObject(each.properties) && { properties: mark(each.properties) }),
    ...(isObject(each.flags) && { flags: mark(each.flags) }),
    ...(each.inputs !== undefined && { inputs: marks(each.inputs) }),
    ...(each.outputs !== undefined && { outputs: marks(each.outputs) }),
  });
  const level = (graph: JsonObject): JsonObject => ({
    ...mark(graph),
    nodes: rows(graph.nodes).map(node),
    ...(isObject(graph.extra) && { extra: mark(graph.extra) }),
    ...(graph.groups !== undefined && { groups: marks(graph.groups) }),
  });
  const inner = subgraphs(workflow).map((each) => ({ ...level(each), inputs: marks(each.inputs), outputs: marks(each.outputs) }));
  return { ...level(workflow), ...(inner.length > 0 && { definitions: { ...(workflow.definitions as JsonObject), subgraphs: inner } }) };
}

const json = fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<JsonValue>;
const extras = fc.dictionary(fc.constantFrom("ue_links", "cnr_id", "aux_id", "x", "0", "prototype", "ä"), json, { maxKeys: 4 });
const nodes = fc.uniqueArray(
  fc.record({
    id: fc.nat(500),
    type: fc.constantFrom("KSampler", "CLIPTextEncode", "Pack.Unknown", "🐍 node", "workflow/group", "Note"),
    pos: fc.tuple(fc.integer({ min: -1e6, max: 1e6 }), fc.integer({ min: -1e6, max: 1e6 })),
    size: fc.tuple(fc.nat(900), fc.nat(900)),
    mode: fc.constantFrom(0, 1, 2, 3, 4),
    order: fc.nat(99),
    flags: extras,
    properties: extras,
    widgets_values: fc.oneof(fc.array(json, { maxLength: 6 }), extras),
    foreign: json,
  }),
  { selector: ({ id }) => id, maxLength: 8 },
);

test("made up workflows of known and unknown nodes keep everything", () => {
  fc.assert(
    fc.property(nodes, extras, json, (made, extra, foreign) => {
      const workflow = { last_node_id: 500, last_link_id: 0, nodes: made, links: [], groups: [], config: {}, extra, foreign, version: 0.4 } as JsonObject;
      const read = parseJson(stringifyJson(workflow)) as JsonObject; // -0 is 0 in a file
      for (const defs of [goldenDefs, nobody]) expect(lostOf(read, saved(workflow, defs))).toEqual([]);
    }),
    { numRuns: 80 },
  );
});
