import { beforeEach, describe, expect, test } from "vitest";
import {
  GraphDocument,
  type JsonObject,
  type NodeId,
  ROOT,
  addNode,
  connect,
  parseWorkflow,
  setMode,
  setTitle,
  setWidget,
  toPrompt,
} from "../../src/graph";
import { fillFileName, resolveChoices } from "../../src/graph/prompt/text";
import { goldenDefs } from "./golden";

let document: GraphDocument;
beforeEach(() => {
  document = new GraphDocument(goldenDefs);
});

function add(type: string): NodeId {
  return document.execute(addNode(ROOT, type, [0, 0]));
}

function wire(from: NodeId, slot: number, to: NodeId, input: string): void {
  document.execute(connect(ROOT, { node: from, slot }, { node: to, input }));
}

function inputsOf(id: NodeId): JsonObject | undefined {
  return toPrompt(document.state, goldenDefs, { random: () => 0 }).prompt[String(id)]?.inputs;
}

describe("nodes that do not run", () => {
  test("a muted node and what it gives are not there", () => {
    const [loader, sampler] = [add("CheckpointLoaderSimple"), add("KSampler")];
    wire(loader, 0, sampler, "model");
    document.execute(setMode(ROOT, [loader], 2));
    expect(inputsOf(loader)).toBeUndefined();
    expect(inputsOf(sampler)).not.toHaveProperty("model");
  });

  test("a bypassed node hands each kind through", () => {
    const [loader, lora, sampler, text] = [
      add("CheckpointLoaderSimple"),
      add("LoraLoader"),
      add("KSampler"),
      add("CLIPTextEncode"),
    ];
    wire(loader, 0, lora, "model");
    wire(loader, 1, lora, "clip");
    wire(lora, 0, sampler, "model");
    wire(lora, 1, text, "clip");
    document.execute(setMode(ROOT, [lora], 4));
    expect(inputsOf(sampler)).toMatchObject({ model: [String(loader), 0] });
    expect(inputsOf(text)).toMatchObject({ clip: [String(loader), 1] });
  });

  test("a bypassed node without a fitting input gives nothing", () => {
    const [loader, decode, save] = [add("CheckpointLoaderSimple"), add("VAEDecode"), add("SaveImage")];
    wire(loader, 2, decode, "vae");
    wire(decode, 0, save, "images");
    document.execute(setMode(ROOT, [decode], 4));
    expect(inputsOf(save)).not.toHaveProperty("images");
  });

  test("notes, primitives and reroutes are not sent; what they carry is", () => {
    const [note, primitive, one, two, loader, sampler] = [
      "Note",
      "PrimitiveNode",
      "Reroute",
      "Reroute",
      "CheckpointLoaderSimple",
      "KSampler",
    ].map(add);
    if (!note || !primitive || !one || !two || !loader || !sampler) throw new Error("six nodes");
    wire(loader, 0, one, "");
    wire(one, 0, two, "");
    wire(two, 0, sampler, "model");
    wire(primitive, 0, sampler, "steps");
    document.execute(setWidget(ROOT, primitive, "value", 33));
    expect(Object.keys(toPrompt(document.state, goldenDefs).prompt)).toEqual([String(loader), String(sampler)]);
    expect(inputsOf(sampler)).toMatchObject({ model: [String(loader), 0], steps: 33 });
  });
});

describe("nodes inside subgraphs", () => {
  const workflow = (mode: number, values: JsonObject["x"][]): JsonObject => ({
    nodes: [
      {
        id: 1,
        type: "CheckpointLoaderSimple",
        outputs: [
          { name: "MODEL", type: "MODEL", links: [1] },
          { name: "CLIP", type: "CLIP", links: [2] },
          { name: "VAE", type: "VAE", links: null },
        ],
      },
      {
        id: 2,
        type: "sub",
        mode,
        inputs: [{ name: "model", type: "MODEL", link: 1 }],
        outputs: [{ name: "out", type: "MODEL", links: [3] }],
        widgets_values: values,
      },
      { id: 3, type: "KSampler", inputs: [{ name: "model", type: "MODEL", link: 3 }] },
    ],
    links: [
      [1, 1, 0, 2, 0, "MODEL"],
      [3, 2, 0, 3, 0, "MODEL"],
    ],
    definitions: {
      subgraphs: [
        {
          id: "sub",
          name: "Sub",
          inputs: [
            { id: "a", name: "model", type: "MODEL", linkIds: [1] },
            { id: "b", name: "strength", type: "FLOAT", linkIds: [2] },
          ],
          outputs: [{ id: "c", name: "out", type: "MODEL", linkIds: [3] }],
          nodes: [
            {
              id: 9,
              type: "LoraLoaderModelOnly",
              inputs: [
                { name: "model", type: "MODEL", link: 1 },
                { name: "strength_model", type: "FLOAT", widget: { name: "strength_model" }, link: 2 },
              ],
              outputs: [{ name: "MODEL", type: "MODEL", links: [3] }],
              widgets_values: ["x.safetensors", 0.25],
            },
          ],
          links: [
            { id: 1, origin_id: -10, origin_slot: 0, target_id: 9, target_slot: 0, type: "MODEL" },
            { id: 2, origin_id: -10, origin_slot: 1, target_id: 9, target_slot: 1, type: "FLOAT" },
            { id: 3, origin_id: 9, origin_slot: 0, target_id: -20, target_slot: 0, type: "MODEL" },
          ],
        },
      ],
    },
  });
  const prompt = (mode: number, values: JsonObject["x"][]): JsonObject =>
    toPrompt(parseWorkflow(workflow(mode, values), goldenDefs).state, goldenDefs).prompt;

  test("are named by their path and get the instance's values", () => {
    expect(prompt(0, [0.75])).toMatchObject({
      "2:9": { inputs: { model: ["1", 0], strength_model: 0.75 } },
      "3": { inputs: { model: ["2:9", 0] } },
    });
  });

  test("keep their own value where the instance has none", () => {
    expect(prompt(0, [])).toMatchObject({ "2:9": { inputs: { strength_model: 0.25 } } });
  });

  test("are not there if the instance is muted, and passed by if it is bypassed", () => {
    expect(Object.keys(prompt(2, [1]))).toEqual(["1", "3"]);
    expect(prompt(4, [1])).toMatchObject({ "3": { inputs: { model: ["1", 0] } } });
    expect(prompt(4, [1])).not.toHaveProperty("2:9");
  });
});

describe("texts", () => {
  const last = (): number => 0.999;
  test.each([
    ["a {red|blue} cat", "a red cat", "a blue cat"],
    ["{a|{b|c}}", "a", "c"],
    ["{|x}", "", "x"],
    ["\\{a\\|b\\}", "{a|b}", "{a|b}"],
    ["one // gone\ntwo /* also\ngone */three", "one \ntwo three", "one \ntwo three"],
    ["an { open brace | stays", "an { open brace | stays", "an { open brace | stays"],
    ["plain | bar }", "plain | bar }", "plain | bar }"],
  ])("%j: the first choice is %j, the last %j", (text, first, second) => {
    expect([resolveChoices(text, () => 0), resolveChoices(text, last)]).toEqual([first, second]);
  });

  test("choices are made in prompts and not in what is saved", () => {
    const id = add("CLIPTextEncode");
    document.execute(setWidget(ROOT, id, "text", "{a|b}"));
    const { prompt, workflow } = toPrompt(document.state, goldenDefs, { random: last });
    expect(prompt[String(id)]?.inputs.text).toBe("b");
    expect(workflow).toMatchObject({ nodes: [{ widgets_values: ["{a|b}"] }] });
  });

  test("file names take the date and other nodes' values; what the server fills in stays", () => {
    const [sampler, save] = [add("KSampler"), add("SaveImage")];
    document.execute(setTitle(ROOT, sampler, "My sampler"));
    document.execute(setWidget(ROOT, sampler, "seed", 42));
    document.execute(
      setWidget(
        ROOT,
        save,
        "filename_prefix",
        "%date:yyyy-MM-dd hh:mm%/%KSampler.seed%_%My sampler.steps%_%width%_%What.ever%",
      ),
    );
    const { prompt } = toPrompt(document.state, goldenDefs, { now: new Date(2026, 10, 4, 5, 6, 7) });
    expect(prompt[String(save)]?.inputs.filename_prefix).toBe("2026-11-04 05:06/42_20_%width%_%What.ever%");
  });

  test("marks that no file may have become _", () => {
    const id = add("CLIPTextEncode");
    document.execute(setWidget(ROOT, id, "text", 'a/b\\c:d"e'));
    expect(fillFileName("%CLIPTextEncode.text%", document.state, new Date())).toBe("a_b_c_d_e");
  });
});

test("a value that is a list is wrapped, so that it is no wire", () => {
  const id = add("NoSuchNode");
  document.execute(setWidget(ROOT, id, "pair", ["1", 0]));
  expect(inputsOf(id)).toEqual({ pair: { __value__: ["1", 0] } });
});
