/** A node is replaced by another type: links and values that fit stay, one step is undone. */
import { describe, expect, it } from "vitest";
import { GraphDocument, ROOT, addNode, connect, hidesAll, hideThreads, isHidden, keptLinks, openJson, parseJson, replaceNode, serialize, setTitle, setWidgets, stringifyJson, toPrompt } from "../../src/graph";
import { goldenDefs as defs } from "./golden";

function textToPicture() {
  const document = new GraphDocument(defs);
  const add = (type: string) => document.execute(addNode(ROOT, type, [0, 0]));
  const [loader, words, sampler, latent, decode] = ["CheckpointLoaderSimple", "CLIPTextEncode", "KSampler", "EmptyLatentImage", "VAEDecode"].map(add) as [number, number, number, number, number];
  const wire = (from: number, slot: number, to: number, input: string) => document.execute(connect(ROOT, { node: from, slot }, { node: to, input }));
  wire(loader, 0, sampler, "model");
  wire(loader, 1, words, "clip");
  wire(words, 0, sampler, "positive");
  wire(words, 0, sampler, "negative");
  wire(latent, 0, sampler, "latent_image");
  wire(sampler, 0, decode, "samples");
  wire(loader, 2, decode, "vae");
  document.execute(setWidgets(ROOT, sampler, { steps: 7, cfg: 3.5, sampler_name: "heun" }));
  document.execute(setTitle(ROOT, sampler, "The walk"));
  const ends = () => [...document.graph().links.values()].map(({ from, to }) => `${from.node}.${from.slot} ${to.node}.${to.input}`).sort();
  return { document, loader, words, sampler, latent, decode, ends };
}

describe("replacing a node", () => {
  it("keeps all links, equal fields, title and id where the other type has them, and is one step", () => {
    const { document, sampler, ends } = textToPicture();
    const [before, state] = [ends(), document.state];
    expect(document.execute(replaceNode(ROOT, sampler, "KSamplerAdvanced"))).toBe(0);
    const node = document.graph().nodes.get(sampler)!;
    expect(node.type).toBe("KSamplerAdvanced");
    expect(node.title).toBe("The walk");
    expect(node.widgets).toMatchObject({ steps: 7, cfg: 3.5, sampler_name: "heun" });
    expect(ends()).toEqual(before);
    document.undo();
    expect(document.state).toEqual(state);
  });

  it("finds slots of other names by their types, and says how many threads were cut", () => {
    const { document, latent, decode, ends } = textToPicture();
    expect(document.execute(replaceNode(ROOT, decode, "VAEDecodeTiled"))).toBe(0);
    expect(ends()).toHaveLength(7);
    expect(document.execute(replaceNode(ROOT, latent, "EmptySD3LatentImage"))).toBe(0);
    expect(document.execute(replaceNode(ROOT, decode, "LatentUpscale"))).toBe(1);
    expect(ends()).toHaveLength(6);
  });

  it("never puts two links on one slot nor a value that a list does not have", () => {
    const { document, words, sampler, ends } = textToPicture();
    document.execute(replaceNode(ROOT, sampler, "SamplerCustom"));
    const inputs = document.graph().nodes.get(sampler)!.inputs.filter(({ link }) => link !== null).map(({ link }) => link);
    expect(new Set(inputs).size).toBe(inputs.length);
    expect(ends().length).toBe(document.graph().links.size);
    document.execute(replaceNode(ROOT, words, "CLIPSetLastLayer"));
    expect(document.graph().nodes.get(words)!.outputs[0]!.type).toBe("CLIP");
    expect(() => document.execute(replaceNode(ROOT, words, "NoSuchNode"))).toThrow(RangeError);
  });

  it("knows beforehand how many links a type keeps", () => {
    const { document, sampler } = textToPicture();
    const kept = (type: string) => keptLinks(defs, document.state, document.graph(), sampler, type);
    expect(kept("KSamplerAdvanced")).toBe(5);
    expect(kept("SaveImage")).toBe(0);
    expect(kept("SamplerCustom")).toBeGreaterThan(3);
  });
});

describe("hidden threads", () => {
  it("are said in the file as the field says it, change nothing of the prompt, and come back by undo", () => {
    const { document, loader } = textToPicture();
    const prompt = stringifyJson(toPrompt(document.state, defs).prompt);
    document.execute(hideThreads(ROOT, [{ node: loader, slot: 2 }, { node: 999 }], true));
    const file = serialize(document.state, defs);
    const [vae] = [...document.graph().links.values()].filter(({ from }) => from.node === loader && from.slot === 2);
    expect(file.extra).toMatchObject({ linkPresentation: { [vae!.id]: { hidden: true } } });
    const graph = openJson(parseJson(stringifyJson(file)), defs).state.graphs.get(ROOT)!;
    expect([...graph.links.values()].filter(isHidden).map(({ from }) => from)).toEqual([{ node: loader, slot: 2 }]);
    expect(hidesAll(graph, loader, 2)).toBe(true);
    expect(hidesAll(graph, loader)).toBe(false);
    expect(stringifyJson(toPrompt(document.state, defs).prompt)).toBe(prompt);
    document.execute(hideThreads(ROOT, [{ node: loader }], true));
    expect(hidesAll(document.graph(), loader)).toBe(true);
    document.undo();
    document.execute(hideThreads(ROOT, [{ node: loader }], false));
    expect(serialize(document.state, defs).extra).not.toHaveProperty("linkPresentation");
    document.undo();
    expect(hidesAll(document.graph(), loader, 2)).toBe(true);
  });
});
