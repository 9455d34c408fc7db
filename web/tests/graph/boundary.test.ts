/** A subgraph's own inputs and outputs: made by wiring, named, taken away; its instances follow, and undo leads back. */
import { describe, expect, it } from "vitest";
import { BOUNDARY_INPUT, BOUNDARY_OUTPUT, type DocumentState, GraphDocument, NEW_SLOT, type NodeId, ROOT, addNode, connect, disconnect, insertOnLink, labelSlot, makeSubgraph, openJson, parseJson, placeNodes, removeAndHeal, removeSlot, serialize, setWidgets, stringifyJson, toPrompt, withBoundary } from "../../src/graph";
import { goldenDefs as defs } from "./golden";

/** Loader and save outside, sampler and decode inside. */
function nested() {
  const document = new GraphDocument(defs);
  const add = (type: string) => document.execute(addNode(ROOT, type, [0, 0]));
  const [loader, words, latent, sampler, decode, save] = ["CheckpointLoaderSimple", "CLIPTextEncode", "EmptyLatentImage", "KSampler", "VAEDecode", "SaveImage"].map(add) as [number, number, number, number, number, number];
  const wire = (from: number, slot: number, to: number, input: string) => document.execute(connect(ROOT, { node: from, slot }, { node: to, input }));
  wire(loader, 0, sampler, "model");
  wire(loader, 1, words, "clip");
  wire(words, 0, sampler, "positive");
  wire(words, 0, sampler, "negative");
  wire(latent, 0, sampler, "latent_image");
  wire(sampler, 0, decode, "samples");
  wire(loader, 2, decode, "vae");
  wire(decode, 0, save, "images");
  const instance = document.execute(makeSubgraph(ROOT, [sampler, decode], "Inner"));
  const scope = document.graph().nodes.get(instance)!.type;
  const inside = () => document.graph(scope);
  const outer = () => document.graph().nodes.get(instance)!;
  return { document, scope, instance, inside, outer, sampler, decode, save, latent };
}

const inputsOf = (state: DocumentState, id: string) => (toPrompt(state, defs).prompt as Record<string, { inputs: Record<string, unknown> }>)[id]!.inputs;

describe("inside a subgraph", () => {
  it("its inputs and outputs are two more nodes, whose slots are wired as they are in the file", () => {
    const { inside } = nested();
    const [inputs, outputs] = [BOUNDARY_INPUT, BOUNDARY_OUTPUT].map((id) => withBoundary(inside()).nodes.get(id)!);
    expect(inputs!.outputs.map(({ name }) => name)).toEqual([...inside().inputs.map(({ name }) => name), NEW_SLOT]);
    expect(outputs!.inputs.filter(({ link }) => link !== null)).toHaveLength(1);
    expect(inside().nodes.has(BOUNDARY_INPUT)).toBe(false);
  });

  it("a thread from the new slot to a field makes the field the instance's own", () => {
    const { document, scope, instance, inside, outer, sampler } = nested();
    const [before, state] = [inside().inputs.length, document.state];
    document.execute(connect(scope, { node: BOUNDARY_INPUT, slot: before }, { node: sampler, input: "steps" }));
    expect(inside().inputs.at(-1)).toMatchObject({ name: "steps", type: "INT" });
    expect(outer().inputs.find(({ name }) => name === "steps")?.widget).toBe("steps");
    document.execute(setWidgets(ROOT, instance, { steps: 33 }));
    expect(inputsOf(document.state, `${instance}:${sampler}`).steps).toBe(33);
    const again = openJson(parseJson(stringifyJson(serialize(document.state, defs))), defs).state;
    expect(inputsOf(again, `${instance}:${sampler}`).steps).toBe(33);
    document.undo();
    document.undo();
    expect(document.state).toEqual(state);
  });

  it("a thread to the new output makes one, which can be wired outside, and a second to a taken output takes its place", () => {
    const { document, scope, instance, inside, outer, sampler, decode, save } = nested();
    document.execute(connect(scope, { node: sampler, slot: 0 }, { node: BOUNDARY_OUTPUT, input: NEW_SLOT }));
    expect(outer().outputs.map(({ type }) => type)).toEqual(["IMAGE", "LATENT"]);
    const upscale = document.execute(addNode(ROOT, "LatentUpscale", [0, 0]));
    document.execute(connect(ROOT, { node: instance, slot: 1 }, { node: upscale, input: "samples" }));
    const [image] = inside().outputs;
    const inverted = document.execute(addNode(scope, "ImageInvert", [0, 0]));
    document.execute(connect(scope, { node: decode, slot: 0 }, { node: inverted, input: "image" }));
    document.execute(connect(scope, { node: inverted, slot: 0 }, { node: BOUNDARY_OUTPUT, input: image!.id }));
    expect([...inside().links.values()].filter(({ to }) => to.node === BOUNDARY_OUTPUT)).toHaveLength(2);
    expect(inputsOf(document.state, String(save)).images).toEqual([`${instance}:${inverted}`, 0]);
  });

  it("an input that is taken away goes with its threads, and the others keep theirs", () => {
    const { document, scope, instance, inside, sampler } = nested();
    const at = inside().inputs.findIndex(({ name }) => name === "positive");
    const { state } = document;
    const kept = inputsOf(state, `${instance}:${sampler}`);
    document.execute(removeSlot(scope, "input", at));
    const { positive: _gone, negative: _too, ...others } = kept; // both came from one output: one slot
    expect(inputsOf(document.state, `${instance}:${sampler}`)).toEqual(others);
    document.undo();
    expect(inputsOf(document.state, `${instance}:${sampler}`)).toEqual(kept);
    expect(document.state).toEqual(state);
  });

  it("an output that is taken away leaves the instance's further outputs wired", () => {
    const { document, scope, instance, outer, sampler } = nested();
    document.execute(connect(scope, { node: sampler, slot: 0 }, { node: BOUNDARY_OUTPUT, input: NEW_SLOT }));
    const upscale = document.execute(addNode(ROOT, "LatentUpscale", [0, 0]));
    document.execute(connect(ROOT, { node: instance, slot: 1 }, { node: upscale, input: "samples" }));
    document.execute(removeSlot(scope, "output", 0));
    expect(outer().outputs.map(({ type }) => type)).toEqual(["LATENT"]);
    const link = [...document.graph().links.values()].find(({ to }) => to.node === upscale);
    expect(link?.from).toEqual({ node: instance, slot: 0 });
    expect([...document.graph().links.values()].filter(({ from }) => from.node === instance)).toHaveLength(1);
  });

  it("a name changes what is shown alone, and where they lie is kept in the file", () => {
    const { document, scope, instance, inside, outer, sampler } = nested();
    const before = inputsOf(document.state, `${instance}:${sampler}`);
    document.execute(labelSlot(scope, "input", 0, "the model"));
    expect(outer().inputs.find(({ name }) => name === "model")?.label).toBe("the model");
    expect(inputsOf(document.state, `${instance}:${sampler}`)).toEqual(before);
    document.execute(placeNodes(scope, [[BOUNDARY_INPUT, [-400, 77]]]));
    expect(withBoundary(inside()).nodes.get(BOUNDARY_INPUT)?.pos).toEqual([-400, 77]);
    const again = openJson(parseJson(stringifyJson(serialize(document.state, defs))), defs).state.graphs.get(scope)!;
    expect(withBoundary(again).nodes.get(BOUNDARY_INPUT)?.pos).toEqual([-400, 77]);
  });

  it("nodes are woven into threads of the boundary and taken out of them, and loops are refused", () => {
    const { document, scope, instance, inside, save, decode, sampler } = nested();
    const inverted = document.execute(addNode(scope, "ImageInvert", [0, 0]));
    const out = [...inside().links.values()].find(({ to }) => to.node === BOUNDARY_OUTPUT)!;
    expect(document.execute(insertOnLink(scope, inverted, out.id))).toBe(true);
    expect(inputsOf(document.state, String(save)).images).toEqual([`${instance}:${inverted}`, 0]);
    document.execute(removeAndHeal(scope, [inverted as NodeId]));
    expect(inputsOf(document.state, String(save)).images).toEqual([`${instance}:${decode}`, 0]);
    document.execute(disconnect(scope, [[...inside().links.values()].find(({ to }) => to.node === BOUNDARY_OUTPUT)!.id]));
    expect(inside().outputs).toHaveLength(1);
    expect(() => document.execute(connect(scope, { node: BOUNDARY_INPUT, slot: 99 }, { node: sampler, input: "steps" }))).toThrow(RangeError);
  });
});
