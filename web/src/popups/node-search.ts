/**
 * Finding a node by a few letters. How well its names answer comes first; of those that answer about as well, what this
 * person placed lately, then what most workflows are made of, then what hands something on before what only writes files.
 */
import type { NodeDef } from "../graph";
import { score } from "./search";

/** What most workflows are made of, the most usual first. */
export const USUAL: readonly string[] = [
  "KSampler", "CLIPTextEncode", "CheckpointLoaderSimple", "VAEDecode", "EmptyLatentImage", "SaveImage", "LoadImage", "PreviewImage", "LoraLoader",
  "VAEEncode", "VAELoader", "ControlNetApplyAdvanced", "ControlNetLoader", "KSamplerAdvanced", "UNETLoader", "CLIPLoader", "DualCLIPLoader",
  "ImageScale", "ImageUpscaleWithModel", "UpscaleModelLoader", "ImageScaleBy", "LatentUpscale", "LatentUpscaleBy", "VAEEncodeForInpaint", "SetLatentNoiseMask", "LoraLoaderModelOnly",
  "ImageScaleToTotalPixels", "LoadImageMask", "CLIPSetLastLayer", "CLIPVisionLoader", "CLIPVisionEncode", "ConditioningCombine", "ConditioningZeroOut", "ConditioningSetArea",
  "FluxGuidance", "EmptySD3LatentImage", "ModelSamplingSD3", "ModelSamplingFlux", "SamplerCustomAdvanced", "BasicGuider", "CFGGuider", "KSamplerSelect", "BasicScheduler", "RandomNoise",
  "GrowMask", "InvertMask", "MaskToImage", "ImageToMask", "ImageCompositeMasked", "MaskPreview", "ImageInvert", "ImageBatch", "Canny", "VAEDecodeTiled", "InpaintModelConditioning", "FreeU_V2",
  "LoadAudio", "SaveAudio", "CreateVideo", "SaveVideo", "LoadVideo", "Reroute", "Note", "MarkdownNote", "PrimitiveNode", "PreviewAny",
];
const places = new Map(USUAL.map((name, place) => [name, place]));

/** Names that begin with the letters are little nearer than names in which a later word does: people name nodes "load X" and "X loader" alike. */
const BEGINNING = 17;
const MOST_USUAL = 14;
const MOST_RECENT = 8;
const MOST_FITTING = 30;
const LESS = { alias: 5, category: 24, api: 30, old: 8, writer: 1 };

/**
 * Nodes that answer, the best first.
 * @param recent types placed lately, the newest first.
 * @param fitness 0 to 1: how well a type fits where it would go; a name that answers better still comes before.
 */
export function findNodes(defs: Iterable<NodeDef>, letters: string, recent: readonly string[] = [], fitness: (def: NodeDef) => number = () => 0): NodeDef[] {
  const lately = new Map(recent.map((name, place) => [name, place]));
  return [...defs]
    .flatMap((def) => {
      const fit = fitOf(def, letters);
      return fit > 0 ? [{ def, value: fit + familiarity(def, lately, recent.length) + MOST_FITTING * fitness(def) - doubt(def) }] : [];
    })
    .sort((a, b) => b.value - a.value)
    .map(({ def }) => def);
}

/** What is offered before a letter is typed. */
export function firstNodes(defs: Iterable<NodeDef>, recent: readonly string[]): NodeDef[] {
  const order = [...new Set([...recent.slice(0, 5), ...USUAL.slice(0, 12), "Reroute", "Note"])];
  const byName = new Map([...defs].map((def) => [def.name, def]));
  return order.flatMap((name) => byName.get(name) ?? []);
}

/** How usual a type is: 0 the most; for orders where nothing is typed. */
export function usualness({ name }: NodeDef): number {
  return places.get(name) ?? USUAL.length;
}

function fitOf(def: NodeDef, letters: string): number {
  const named = Math.max(nearness(def.displayName, letters), nearness(def.name, letters));
  const alias = Math.max(0, ...def.aliases.map((text) => nearness(text, letters) - LESS.alias));
  return Math.max(named, alias, nearness(def.category, letters) - LESS.category);
}

function nearness(text: string, letters: string): number {
  const value = score(text, letters);
  return value >= 80 && value < 100 ? value - BEGINNING : value;
}

function familiarity({ name }: NodeDef, lately: ReadonlyMap<string, number>, many: number): number {
  const place = places.get(name);
  const usual = place === undefined ? 0 : MOST_USUAL * (1 - place / (2 * USUAL.length));
  const last = lately.get(name);
  return usual + (last === undefined ? 0 : MOST_RECENT * (1 - last / (2 * many)));
}

function doubt(def: NodeDef): number {
  return (def.api ? LESS.api : 0) + (def.deprecated || def.experimental ? LESS.old : 0) + (def.isOutput ? LESS.writer : 0);
}
