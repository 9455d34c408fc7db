/** How a socket's type looks: shape says the class, colour the kind. */

/** Diamond: computes. Square: instructs. Circle: data. */
export type Shape = "diamond" | "square" | "circle";
export const KINDS = ["model", "clip", "vae", "cond", "latent", "image", "mask", "control", "number", "string"] as const;
/** Name of a colour token. */
export type Kind = (typeof KINDS)[number];
export interface Look {
  readonly shape: Shape;
  readonly kind: Kind;
}

const LOOKS: Readonly<Record<string, readonly [Shape, Kind]>> = {
  MODEL: ["diamond", "model"],
  UPSCALE_MODEL: ["diamond", "model"],
  STYLE_MODEL: ["diamond", "model"],
  HOOKS: ["square", "model"],
  CLIP: ["diamond", "clip"],
  CLIP_VISION: ["diamond", "clip"],
  CLIP_VISION_OUTPUT: ["circle", "clip"],
  VAE: ["diamond", "vae"],
  CONTROL_NET: ["diamond", "control"],
  CONDITIONING: ["square", "cond"],
  GUIDER: ["square", "cond"],
  SAMPLER: ["square", "control"],
  SIGMAS: ["square", "number"],
  NOISE: ["square", "string"],
  LATENT: ["circle", "latent"],
  IMAGE: ["circle", "image"],
  VIDEO: ["circle", "image"],
  AUDIO: ["circle", "control"],
  MASK: ["circle", "mask"],
  INT: ["circle", "number"],
  FLOAT: ["circle", "number"],
  BOOLEAN: ["circle", "number"],
  COMBO: ["circle", "number"],
  "*": ["circle", "number"],
  STRING: ["circle", "string"],
};

/** Types of packs get a colour by their name, always the same; a union looks like its first member. */
export function lookOf(type: string): Look {
  const first = type.split(",", 1)[0] ?? type;
  const known = LOOKS[first.toUpperCase()];
  if (known) return { shape: known[0], kind: known[1] };
  if (first === "") return { shape: "circle", kind: "number" };
  let hash = 7;
  for (const letter of first) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) >>> 0;
  return { shape: "circle", kind: KINDS[hash % KINDS.length] ?? "number" };
}
