/** Everyday words find the node that a person means, among all nodes of a server that has them all. */
import { describe, expect, it } from "vitest";
import { findNodes, firstNodes } from "../../src/popups/node-search";
import { goldenDefs } from "../graph/golden";

const defs = [...goldenDefs.all()];
const found = (letters: string, recent: readonly string[] = []): string[] => findNodes(defs, letters, recent).map(({ name }) => name);

describe("everyday words", () => {
  it.each([
    ["checkpoint", "CheckpointLoaderSimple"],
    ["load check", "CheckpointLoaderSimple"],
    ["lora", "LoraLoader"],
    ["ksampler", "KSampler"],
    ["ksampler adv", "KSamplerAdvanced"],
    ["sampler", "KSampler"],
    ["vae", "VAEDecode"],
    ["vae decode", "VAEDecode"],
    ["vae enc", "VAEEncode"],
    ["clip text", "CLIPTextEncode"],
    ["prompt", "CLIPTextEncode"],
    ["empty latent", "EmptyLatentImage"],
    ["save", "SaveImage"],
    ["save image", "SaveImage"],
    ["save checkpoint", "CheckpointSave"],
    ["load image", "LoadImage"],
    ["upscale", "ImageScale"],
    ["upscale model", "UpscaleModelLoader"],
    ["controlnet", "ControlNetApplyAdvanced"],
    ["load controlnet", "ControlNetLoader"],
    ["mask", "LoadImageMask"],
    ["grow mask", "GrowMask"],
    ["preview", "PreviewImage"],
    ["note", "Note"],
  ])("find by %j %s first", (letters, name) => expect(found(letters)[0]).toBe(name));

  it("never put a whole name behind another", () => {
    for (const { name } of defs.filter((_, index) => index % 5 === 0)) expect(found(name)[0]?.toLowerCase()).toBe(name.toLowerCase());
  });

  it("put paid services and old nodes behind what answers as well", () => {
    const names = found("upscale");
    const paid = new Set(defs.filter(({ api }) => api).map(({ name }) => name));
    const first = names.findIndex((name) => paid.has(name));
    expect(first).toBeGreaterThan(8);
    expect(found("apply controlnet").indexOf("ControlNetApplyAdvanced")).toBeLessThan(found("apply controlnet").indexOf("ControlNetApply"));
  });
});

describe("nodes that were placed lately", () => {
  it("come before others that answer as well", () => {
    expect(found("upscale", ["LatentUpscaleBy"])[0]).toBe("LatentUpscaleBy");
    expect(found("save image", ["SaveAnimatedPNG"])[0]).toBe("SaveImage");
  });

  it("stand first before a letter is typed, then what most workflows are made of", () => {
    expect(firstNodes(defs, []).map(({ name }) => name).slice(0, 3)).toEqual(["KSampler", "CLIPTextEncode", "CheckpointLoaderSimple"]);
    expect(firstNodes(defs, ["Canny", "KSampler"]).map(({ name }) => name).slice(0, 3)).toEqual(["Canny", "KSampler", "CLIPTextEncode"]);
  });
});
