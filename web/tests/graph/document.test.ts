import { beforeEach, describe, expect, test } from "vitest";
import {
  type Change,
  GraphDocument,
  type NodeId,
  ROOT,
  addNode,
  applyControls,
  connect,
  disconnect,
  insertOnLink,
  misfit,
  moveNodes,
  removeNodes,
  setMode,
  setTitle,
  setWidget,
} from "../../src/graph";
import { goldenDefs } from "./golden";

let now = 0;
let document: GraphDocument;

beforeEach(() => {
  now = 0;
  document = new GraphDocument(goldenDefs, undefined, { now: () => now, coalesceMs: 1000 });
});

function add(type: string): NodeId {
  return document.execute(addNode(ROOT, type, [0, 0]));
}

function widget(id: NodeId, key: string): unknown {
  return document.graph().nodes.get(id)?.widgets[key];
}

describe("steps", () => {
  test("typing is one step, until it pauses", () => {
    const id = add("CLIPTextEncode");
    for (const text of ["a", "ab", "abc"]) document.execute(setWidget(ROOT, id, "text", text));
    now = 5000;
    document.execute(setWidget(ROOT, id, "text", "abcd"));
    document.undo();
    expect(widget(id, "text")).toBe("abc");
    document.undo();
    expect(widget(id, "text")).toBe("");
  });

  test("a sealed step takes nothing more", () => {
    const id = add("CLIPTextEncode");
    document.execute(setWidget(ROOT, id, "text", "a"));
    document.seal();
    document.execute(setWidget(ROOT, id, "text", "b"));
    document.undo();
    expect(widget(id, "text")).toBe("a");
  });

  test("a drag is one step", () => {
    const id = add("Note");
    document.begin("Move");
    for (let step = 0; step < 50; step += 1) document.execute(moveNodes(ROOT, [id], [1, 2]));
    document.commit();
    expect(document.graph().nodes.get(id)?.pos).toEqual([50, 100]);
    document.undo();
    expect(document.graph().nodes.get(id)?.pos).toEqual([0, 0]);
    document.undo();
    expect(document.graph().nodes.size).toBe(0);
  });

  test("a command that changes nothing leaves no step", () => {
    const id = add("Note");
    document.execute(setMode(ROOT, [id], 0));
    document.execute(moveNodes(ROOT, [], [1, 1]));
    document.undo();
    expect(document.canUndo).toBe(false);
  });

  test("a command that fails changes nothing", () => {
    const [a, b] = [add("CheckpointLoaderSimple"), add("SaveImage")];
    const before = document.state;
    expect(() => document.execute(connect(ROOT, { node: a, slot: 0 }, { node: b, input: "images" }))).toThrow(
      "types differ",
    );
    expect(document.state).toBe(before);
  });

  test("a transaction that fails is taken back", () => {
    expect(() =>
      document.transaction("both", () => {
        add("Note");
        throw new Error("no");
      }),
    ).toThrow("no");
    expect(document.graph().nodes.size).toBe(0);
    expect(document.canUndo).toBe(false);
  });

  test("a new step ends what could be redone", () => {
    add("Note");
    document.undo();
    add("Reroute");
    expect(document.canRedo).toBe(false);
  });

  test("ids of deleted nodes are not given again", () => {
    const id = add("Note");
    document.execute(removeNodes(ROOT, [id]));
    expect(add("Note")).not.toBe(id);
  });

  test("the menu can name what undo takes back", () => {
    const id = add("Note");
    document.execute(setTitle(ROOT, id, "Mine"));
    expect(document.undoLabel).toBe("Rename");
    document.undo();
    expect([document.undoLabel, document.redoLabel]).toEqual(["Add node", "Rename"]);
  });
});

describe("listeners", () => {
  test("hear what was touched, and nothing more", () => {
    const [a, b, c] = [add("CheckpointLoaderSimple"), add("CLIPTextEncode"), add("Note")];
    const heard: Change[] = [];
    const stop = document.subscribe((change) => heard.push(change));
    const link = document.execute(connect(ROOT, { node: a, slot: 1 }, { node: b, input: "clip" }));
    document.undo();
    stop();
    document.execute(removeNodes(ROOT, [c]));
    expect(heard.map(({ origin }) => origin)).toEqual(["do", "undo"]);
    for (const change of heard) {
      const touched = change.graphs.get(ROOT);
      expect([...(touched?.nodes ?? [])]).toEqual([b]);
      expect([...(touched?.links ?? [])]).toEqual([link]);
    }
  });
});

describe("seeds after a run", () => {
  test("are no step, and undoing another edit of the node leaves them", () => {
    const id = add("KSampler");
    document.execute(setWidget(ROOT, id, "seed:control", "increment"));
    document.execute(setWidget(ROOT, id, "steps", 30));
    document.executeQuietly(applyControls(() => 0));
    document.undo();
    expect([widget(id, "seed"), widget(id, "steps")]).toEqual([1, 20]);
  });

  test("go on exactly beyond what a double holds", () => {
    const id = add("KSampler");
    document.execute(setWidget(ROOT, id, "seed", 2n ** 60n));
    document.execute(setWidget(ROOT, id, "seed:control", "increment"));
    document.executeQuietly(applyControls(() => 0));
    expect(widget(id, "seed")).toBe(2n ** 60n + 1n);
    document.execute(setWidget(ROOT, id, "seed", Number.MAX_SAFE_INTEGER));
    for (const seed of [2n ** 53n, 2n ** 53n + 1n]) {
      document.executeQuietly(applyControls(() => 0));
      expect(widget(id, "seed")).toBe(seed);
    }
  });

  test("stay where a wire feeds them, and where they are fixed", () => {
    const [primitive, fed, fixed] = [add("PrimitiveNode"), add("KSampler"), add("KSampler")];
    document.execute(connect(ROOT, { node: primitive, slot: 0 }, { node: fed, input: "seed" }));
    document.execute(setWidget(ROOT, fixed, "seed:control", "fixed"));
    document.execute(setWidget(ROOT, primitive, "value:control", "increment"));
    document.executeQuietly(applyControls(() => 0.5));
    expect([widget(fed, "seed"), widget(fixed, "seed"), widget(primitive, "value")]).toEqual([0, 0, 1]);
  });
});

describe("wires", () => {
  test("an input holds one wire: a new one takes its place, and undo brings the old one back", () => {
    const [a, b, target] = [add("CheckpointLoaderSimple"), add("CheckpointLoaderSimple"), add("KSampler")];
    const first = document.execute(connect(ROOT, { node: a, slot: 0 }, { node: target, input: "model" }));
    const second = document.execute(connect(ROOT, { node: b, slot: 0 }, { node: target, input: "model" }));
    expect([...document.graph().links.keys()]).toEqual([second]);
    document.undo();
    expect([...document.graph().links.keys()]).toEqual([first]);
  });

  test("may not close a loop", () => {
    const [a, b] = [add("LoraLoader"), add("LoraLoader")];
    document.execute(connect(ROOT, { node: a, slot: 0 }, { node: b, input: "model" }));
    expect(misfit(document.graph(), { node: b, slot: 0 }, { node: a, input: "model" })).toBe("would loop");
  });

  test("give a reroute their type, and all that follows it", () => {
    const [source, one, two, sampler] = [
      add("CheckpointLoaderSimple"),
      add("Reroute"),
      add("Reroute"),
      add("KSampler"),
    ];
    document.execute(connect(ROOT, { node: one, slot: 0 }, { node: two, input: "" }));
    document.execute(connect(ROOT, { node: source, slot: 2 }, { node: one, input: "" }));
    expect(document.graph().nodes.get(two)?.outputs[0]?.type).toBe("VAE");
    expect(misfit(document.graph(), { node: two, slot: 0 }, { node: sampler, input: "model" })).toBe("types differ");
  });

  test("give a primitive the type and the value of the widget that it feeds", () => {
    const [primitive, target] = [add("PrimitiveNode"), add("KSampler")];
    document.execute(connect(ROOT, { node: primitive, slot: 0 }, { node: target, input: "steps" }));
    expect(document.graph().nodes.get(primitive)?.outputs[0]?.type).toBe("INT");
    expect(widget(primitive, "value")).toBe(20);
    document.execute(disconnect(ROOT, [...document.graph().links.keys()]));
    expect(document.graph().nodes.get(primitive)?.outputs[0]?.type).toBe("*");
  });

  test("make a group of inputs grow, and shrink again", () => {
    const names = (id: NodeId): string[] | undefined =>
      document
        .graph()
        .nodes.get(id)
        ?.inputs.map(({ name }) => name);
    const [image, batch] = [add("LoadImage"), add("BatchImagesNode")];
    expect(names(batch)).toEqual(["images.image0", "images.image1"]);
    document.execute(connect(ROOT, { node: image, slot: 0 }, { node: batch, input: "images.image0" }));
    const link = document.execute(connect(ROOT, { node: image, slot: 0 }, { node: batch, input: "images.image1" }));
    expect(names(batch)).toEqual(["images.image0", "images.image1", "images.image2"]);
    document.execute(disconnect(ROOT, [link]));
    expect(names(batch)).toEqual(["images.image0", "images.image1"]);
  });

  test("take in a node that is dropped on them", () => {
    const [loader, lora, sampler] = [add("CheckpointLoaderSimple"), add("LoraLoaderModelOnly"), add("KSampler")];
    const link = document.execute(connect(ROOT, { node: loader, slot: 0 }, { node: sampler, input: "model" }));
    expect(document.execute(insertOnLink(ROOT, lora, link))).toBe(true);
    const ends = [...document.graph().links.values()].map(({ from, to }) => [from.node, to.node]);
    expect(ends).toEqual([
      [loader, lora],
      [lora, sampler],
    ]);
  });

  test("take in with it what goes beside them", () => {
    const [loader, text, sampler, lora] = [add("CheckpointLoaderSimple"), add("CLIPTextEncode"), add("KSampler"), add("LoraLoader")];
    const model = document.execute(connect(ROOT, { node: loader, slot: 0 }, { node: sampler, input: "model" }));
    document.execute(connect(ROOT, { node: loader, slot: 1 }, { node: text, input: "clip" }));
    const ends = (): string[] => [...document.graph().links.values()].map(({ from, to }) => `${from.node}.${from.slot} ${to.node}.${to.input}`).sort();
    const before = ends();
    document.seal();
    expect(document.execute(insertOnLink(ROOT, lora, model))).toBe(true);
    expect(ends()).toEqual([`${loader}.0 ${lora}.model`, `${loader}.1 ${lora}.clip`, `${lora}.0 ${sampler}.model`, `${lora}.1 ${text}.clip`].sort());
    document.undo();
    expect(ends()).toEqual(before);
  });

  test("pass through a node's sockets of their own name, the other prompt's thread beside", () => {
    const [good, bad, control, sampler] = [add("CLIPTextEncode"), add("CLIPTextEncode"), add("ControlNetApplyAdvanced"), add("KSampler")];
    document.execute(connect(ROOT, { node: good, slot: 0 }, { node: sampler, input: "positive" }));
    const negative = document.execute(connect(ROOT, { node: bad, slot: 0 }, { node: sampler, input: "negative" }));
    document.execute(insertOnLink(ROOT, control, negative));
    expect([...document.graph().links.values()].map(({ from, to }) => `${from.node}.${from.slot} ${to.node}.${to.input}`).sort()).toEqual(
      [`${good}.0 ${control}.positive`, `${bad}.0 ${control}.negative`, `${control}.0 ${sampler}.positive`, `${control}.1 ${sampler}.negative`].sort(),
    );
  });
});

describe("a dynamic combo", () => {
  test("brings the inputs of its choice and takes those of the last away", () => {
    const id = add("ResizeImageMaskNode");
    const keys = (): string[] => Object.keys(document.graph().nodes.get(id)?.widgets ?? {});
    const inputs = (): string[] | undefined =>
      document
        .graph()
        .nodes.get(id)
        ?.inputs.map(({ name }) => name);
    document.execute(setWidget(ROOT, id, "resize_type", "scale dimensions"));
    expect(keys()).toContain("resize_type.width");
    document.execute(setWidget(ROOT, id, "resize_type", "match size"));
    expect(inputs()).toContain("resize_type.match");
    expect(inputs()).not.toContain("resize_type.width");
  });
});
