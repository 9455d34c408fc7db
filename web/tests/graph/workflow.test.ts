import { describe, expect, test } from "vitest";
import {
  GraphDocument,
  type JsonObject,
  type JsonValue,
  NodeDefs,
  ROOT,
  WorkflowError,
  addNode,
  openJson,
  parseJson,
  parseWorkflow,
  refreshDefs,
  serialize,
  toPrompt,
  unknownNodes,
} from "../../src/graph";
import { isArray, isObject, without } from "../../src/graph/values";
import { goldenDefs, prompts, workflows } from "./golden";

function saved(json: JsonValue): JsonObject {
  const { state, camera } = parseWorkflow(json, goldenDefs);
  return serialize(state, goldenDefs, camera);
}

function promptOf(json: JsonValue): JsonObject {
  return toPrompt(parseWorkflow(json, goldenDefs).state, goldenDefs).prompt;
}

const plain = Object.entries(workflows).filter(([, workflow]) => workflow.definitions === undefined);

/** Types are set right by today's definitions; all else must stay. */
function withoutSlotTypes(workflow: JsonObject): JsonObject {
  const slots = (list: JsonValue | undefined): JsonValue =>
    isArray(list) ? list.filter(isObject).map((slot) => without(slot, ["type"])) : [];
  const nodes = (isArray(workflow.nodes) ? workflow.nodes : []).filter(isObject);
  return {
    ...workflow,
    nodes: nodes.map((node) => ({ ...node, inputs: slots(node.inputs), outputs: slots(node.outputs) })),
  };
}

test.each(plain)("%s is saved as it was opened", (_name, workflow) => {
  const order = (json: JsonObject): JsonObject => ({
    ...json,
    nodes: (json.nodes as JsonObject[]).map((node) => without(node, ["order"])),
  });
  expect(order(withoutSlotTypes(saved(workflow)))).toEqual(order(withoutSlotTypes(workflow)));
});

describe("keys that we do not know", () => {
  const strange = {
    id: "one",
    last_node_id: 2,
    last_link_id: 1,
    nodes: [
      {
        id: 1,
        type: "LoadImage",
        pos: [1, 2],
        size: [3, 4],
        flags: { odd: 1 },
        order: 0,
        mode: 0,
        inputs: [],
        outputs: [
          { name: "IMAGE", type: "IMAGE", links: [1], own: "o" },
          { name: "MASK", type: "MASK", links: null },
        ],
        properties: { mine: [1] },
        widgets_values: ["a.png", "image"],
        pack_data: { deep: true },
      },
      {
        id: 2,
        type: "PackNode",
        pos: [5, 6],
        size: [7, 8],
        flags: {},
        order: 1,
        mode: 3,
        inputs: [{ name: "x", type: "IMAGE", link: 1, own: "i" }],
        outputs: [],
        properties: {},
        widgets_values: { a: 1, b: [2] },
        shape: 2,
      },
    ],
    links: [[1, 1, 0, 2, 0, "IMAGE"]],
    groups: [{ id: 1, title: "G", bounding: [0, 0, 10, 10], color: "#123", font_size: 24, flags: {}, locked: true }],
    config: { links_ontop: true },
    extra: { ds: { scale: 0.5, offset: [1, 2] }, VHS_latentpreview: false, ue_links: [] },
    models: [{ name: "m" }],
    floatingLinks: [{ id: 9 }],
    version: 0.4,
    third_party: { kept: "yes" },
  };

  test("are written again, everywhere", () => {
    expect(saved({ ...strange, revision: 3 })).toEqual({ ...strange, revision: 3 });
  });
});

describe("odd files", () => {
  const two = (more: JsonObject): JsonObject => ({
    nodes: [
      {
        id: 1,
        type: "CheckpointLoaderSimple",
        pos: { "0": 10, "1": 20 },
        size: { "0": 300, "1": 100 },
        outputs: [{ name: "MODEL", type: "MODEL", links: [5] }],
      },
      { id: 2, type: "KSampler", inputs: [{ name: "model", type: "MODEL", link: 5 }], ...more },
    ],
    links: [[5, "1", "0", 2, 3, "MODEL"]],
  });

  test("places may be objects, ids and slots may be texts, and a link ends where an input names it", () => {
    const { state } = parseWorkflow(two({}), goldenDefs);
    expect(state.graphs.get(ROOT)?.nodes.get(1)?.pos).toEqual([10, 20]);
    expect(state.graphs.get(ROOT)?.links.get(5)?.to).toEqual({ node: 2, input: "model" });
  });

  test("values may be a dictionary", () => {
    expect(promptOf(two({ widgets_values: { seed: 7, steps: 3 } }))).toMatchObject({
      "2": { inputs: { seed: 7, steps: 3, cfg: 8 } },
    });
  });

  test("a short list is filled up with defaults", () => {
    expect(promptOf(two({ widgets_values: [5] }))).toMatchObject({
      "2": { inputs: { seed: 5, steps: 20, sampler_name: "euler" } },
    });
  });

  test("files of 2023 have true where the seed's control stands", () => {
    expect(promptOf(two({ widgets_values: [5, true, 12, 6.5, "euler", "normal", 1] }))).toMatchObject({
      "2": { inputs: { seed: 5, steps: 12, cfg: 6.5 } },
    });
  });

  test("a seed beyond 2^53 comes out as it went in", () => {
    const json = parseJson(
      '{"nodes":[{"id":2,"type":"KSampler","widgets_values":[18446744073709551615,"fixed",20,8,"euler","normal",1]}],"links":[]}',
    );
    expect(promptOf(json)).toMatchObject({ "2": { inputs: { seed: 18446744073709551615n } } });
    expect(saved(json)).toMatchObject({
      nodes: [{ widgets_values: [18446744073709551615n, "fixed", 20, 8, "euler", "normal", 1] }],
    });
  });

  test("links to nowhere are dropped from both ends", () => {
    const { state } = parseWorkflow(
      { ...two({}), links: [[5, 99, 0, 2, 0, "MODEL"], [6, 1, 0, 98, 0, "MODEL"], null, [7]] },
      goldenDefs,
    );
    expect(state.graphs.get(ROOT)?.links.size).toBe(0);
    expect(state.graphs.get(ROOT)?.nodes.get(2)?.inputs[0]?.link).toBeNull();
  });

  test.each([null, [], 5, "x", {}, { nodes: 3 }])("%j is no workflow, and is said to be none", (json) => {
    expect(() => parseWorkflow(json, goldenDefs)).toThrow(WorkflowError);
  });

  test("a subgraph that holds itself does not hang us", () => {
    const json = {
      nodes: [{ id: 1, type: "s" }],
      links: [],
      definitions: {
        subgraphs: [{ id: "s", name: "S", nodes: [{ id: 2, type: "s" }], links: [], inputs: [], outputs: [] }],
      },
    };
    expect(promptOf(json)).toEqual({});
  });
});

describe("version 1", () => {
  const root = {
    version: 1,
    state: { lastNodeId: 7, lastLinkId: 5, lastGroupId: 0, lastRerouteId: 1 },
    nodes: [
      { id: 1, type: "CheckpointLoaderSimple", outputs: [{ name: "MODEL", type: "MODEL", links: [5] }] },
      { id: 2, type: "KSampler", inputs: [{ name: "model", type: "MODEL", link: 5 }] },
    ],
    links: [{ id: 5, origin_id: 1, origin_slot: 0, target_id: 2, target_slot: 0, type: "MODEL", parentId: 1 }],
    reroutes: [{ id: 1, pos: [3, 4], linkIds: [5] }],
    groups: [],
    extra: {},
  };

  test("is saved as 0.4, reroute points where that keeps them", () => {
    const json = saved(root);
    expect(json).toMatchObject({ version: 0.4, last_node_id: 7, last_link_id: 5, links: [[5, 1, 0, 2, 0, "MODEL"]] });
    expect(json.extra).toEqual({ reroutes: root.reroutes, linkExtensions: [{ id: 5, parentId: 1 }] });
    expect(saved(json)).toEqual(json);
  });
});

/** Ids and titles that a prompt file cannot keep. */
function comparable(prompt: JsonObject): JsonValue {
  const flat = (value: JsonValue): JsonValue =>
    isArray(value) && typeof value[0] === "string" ? [value[0].replaceAll(":", "_"), value[1] ?? null] : value;
  return Object.fromEntries(
    Object.entries(prompt).map(([id, node]) => {
      const { class_type: type = null, inputs = null } = isObject(node) ? node : {};
      const flattened = isObject(inputs)
        ? Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, flat(value)]))
        : null;
      return [id.replaceAll(":", "_"), { class_type: type, inputs: flattened }];
    }),
  );
}

test.each(Object.entries(prompts))("the prompt of %s opens as a document that makes it again", (_name, prompt) => {
  const { state } = openJson(prompt, goldenDefs);
  expect(comparable(toPrompt(state, goldenDefs).prompt)).toEqual(comparable(prompt));
  const places = [...(state.graphs.get(ROOT)?.nodes.values() ?? [])].map(({ pos }) => pos.join());
  expect(new Set(places).size).toBe(places.length);
});

test("a pack that is installed while its nodes are open gives them their widgets, and undo goes on as before", () => {
  const bare = new NodeDefs([]);
  const document = new GraphDocument(bare, parseWorkflow(workflows.image_sdxl_simple ?? null, bare).state);
  const id = document.execute(addNode(ROOT, "Note", [0, 0]));
  expect(unknownNodes(document.state, document.defs).length).toBeGreaterThan(3);
  refreshDefs(document, goldenDefs);
  expect(unknownNodes(document.state, document.defs)).toEqual([]);
  expect(document.undo()).toBe(true);
  expect(document.graph().nodes.has(id)).toBe(false);
  const direct = parseWorkflow(workflows.image_sdxl_simple ?? null, goldenDefs).state;
  expect(toPrompt(document.state, goldenDefs).prompt).toEqual(toPrompt(direct, goldenDefs).prompt);
});
