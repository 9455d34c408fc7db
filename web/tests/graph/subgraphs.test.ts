/** Nodes go into a subgraph and out of it: what is sent stays the same, and undo leads back. */
import { describe, expect, test } from "vitest";
import { type DocumentState, GraphDocument, type JsonObject, type JsonValue, type NodeId, ROOT, addNode, connect, copy, isArray, isObject, makeSubgraph, openJson, parseWorkflow, paste, pathTo, serialize, setWidget, toPrompt, unpackSubgraph } from "../../src/graph";
import { goldenDefs, workflows } from "./golden";

/** The prompt with each node told by all that lies before it, so that ids do not count. */
function meaning(state: DocumentState): string[] {
  const { prompt } = toPrompt(state, goldenDefs, { random: () => 0 });
  const raw = prompt as unknown as JsonObject;
  const known = new Map<string, JsonValue>();
  const tell = (id: string): JsonValue => {
    const before = known.get(id);
    if (before !== undefined) return before;
    known.set(id, null);
    const { class_type, inputs } = raw[id] as JsonObject & { inputs: JsonObject };
    const told = Object.keys(inputs).sort().map((name): JsonValue => {
      const value = inputs[name] ?? null;
      return isArray(value) && typeof value[0] === "string" && isObject(raw[value[0]] ?? null) ? [name, tell(value[0]), value[1] ?? 0] : [name, value];
    });
    known.set(id, [class_type ?? "", told]);
    return [class_type ?? "", told];
  };
  return Object.keys(raw).map((id) => JSON.stringify(tell(id), (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value))).sort();
}

const names = ["default", "image_flux2", "sdxl_revision_text_prompts"].filter((name) => name in workflows);
const cases = Object.keys(workflows).slice(0, 25).concat(names);

describe("any half of a workflow as a subgraph", () => {
  test.each([...new Set(cases)])("%s", (name) => {
    const state = parseWorkflow(workflows[name] ?? null, goldenDefs).state;
    const nodes = [...(state.graphs.get(ROOT)?.nodes.values() ?? [])].filter(({ mode }) => mode === 0).map(({ id }) => id);
    for (const part of [2, 3]) {
      const chosen = nodes.filter((_, index) => index % part === 0);
      if (chosen.length === 0) continue;
      const document = new GraphDocument(goldenDefs, state);
      const before = meaning(document.state);
      const instance = document.execute(makeSubgraph(ROOT, chosen, "Half"));
      expect(meaning(document.state)).toEqual(before);
      const saved = openJson(serialize(document.state, goldenDefs), goldenDefs).state;
      expect(meaning(saved)).toEqual(before);
      const back = document.execute(unpackSubgraph(ROOT, instance));
      expect(back).toHaveLength(chosen.length);
      expect(meaning(document.state)).toEqual(before);
      expect(document.state.graphs.size).toBe(state.graphs.size);
      document.undo();
      document.undo();
      expect(serialize(document.state, goldenDefs)).toEqual(serialize(state, goldenDefs));
    }
  });
});

test("an instance holds a value of its own for a widget that is fed from outside, which unpacking writes back", () => {
  const document = new GraphDocument(goldenDefs);
  const add = (type: string): NodeId => document.execute(addNode(ROOT, type, [0, 0]));
  const [primitive, sampler] = [add("PrimitiveNode"), add("KSampler")];
  document.execute(connect(ROOT, { node: primitive, slot: 0 }, { node: sampler, input: "steps" }));
  const instance = document.execute(makeSubgraph(ROOT, [sampler], "One"));
  const definition = document.graph().nodes.get(instance)?.type ?? "";
  expect(pathTo(document.state.graphs, ROOT, definition)).toEqual([{ graph: definition, instance }]);
  document.execute({ label: "Cut", apply: (draft) => void [...document.graph().links.keys()].forEach((link) => draft.dropLink(ROOT, link)) });
  document.execute({ label: "Free", apply: (draft) => draft.updateNode(ROOT, instance, { inputs: draft.node(ROOT, instance).inputs.map((slot) => ({ ...slot, link: null })) }) });
  document.execute(setWidget(ROOT, instance, "steps", 33));
  const [back] = document.execute(unpackSubgraph(ROOT, instance));
  expect(document.graph().nodes.get(back!)?.widgets.steps).toBe(33);
});

test("a subgraph is never pasted into itself; what was copied beside it is", () => {
  const document = new GraphDocument(goldenDefs);
  const [inner, beside] = [document.execute(addNode(ROOT, "KSampler", [0, 0])), document.execute(addNode(ROOT, "VAEDecode", [400, 0]))];
  const instance = document.execute(makeSubgraph(ROOT, [inner], "One"));
  const definition = document.graph().nodes.get(instance)?.type ?? "";
  const copied = copy(document.state, ROOT, [instance, beside], goldenDefs);
  expect(document.execute(paste(definition, copied)).nodes).toHaveLength(1);
  expect([...document.graph(definition).nodes.values()].map(({ type }) => type)).toEqual(["KSampler", "VAEDecode"]);
  expect(document.execute(paste(ROOT, copied)).nodes).toHaveLength(2);
});
