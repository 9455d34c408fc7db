/** Texts that files carry, by key: pictures, films, sounds, drawings, shapes, latents. Broken parts are passed over. */
import { type JsonObject } from "../types";
import { JsonError, parseJson, stringifyJson } from "../json";
import { isObject } from "../values";
import { boxTexts } from "./boxes";
import { ebmlTexts } from "./ebml";
import { exifTexts } from "./exif";
import { isPng, readPngTexts } from "./png";
import { id3Texts, vorbisTexts } from "./sounds";

/** What a file is, by its first bytes; undefined if none that carries texts. */
export type MediaKind = "png" | "webp" | "jpeg" | "film" | "webm" | "flac" | "ogg" | "mp3" | "glb" | "safetensors" | "svg";

export function kindOf(bytes: Uint8Array): MediaKind | undefined {
  const starts = (text: string, at = 0): boolean => [...text].every((letter, index) => bytes[at + index] === letter.charCodeAt(0));
  if (isPng(bytes)) return "png";
  if (starts("RIFF") && starts("WEBP", 8)) return "webp";
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return "jpeg";
  if (starts("ftyp", 4)) return "film"; // AVIF too
  if (bytes[0] === 0x1a && bytes[1] === 0x45 && bytes[2] === 0xdf && bytes[3] === 0xa3) return "webm";
  if (starts("fLaC")) return "flac";
  if (starts("OggS")) return "ogg";
  if (starts("ID3")) return "mp3";
  if (starts("glTF")) return "glb";
  if (bytes[8] === 0x7b && viewOf(bytes).byteLength > 9 && headerLength(bytes) <= bytes.length - 8) return "safetensors";
  const head = ascii(bytes.subarray(0, 1024));
  return /^\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!DOCTYPE[^>]*>\s*)?<svg[\s>]/s.test(head.replace(/^\u00ef\u00bb\u00bf/, "")) ? "svg" : undefined;
}

/** Texts by key; of equal keys the first. `workflow` and `prompt` among them, if the file carries some. */
export async function readTexts(bytes: Uint8Array, kind: MediaKind): Promise<ReadonlyMap<string, string>> {
  try {
    return kind === "png" ? await readPngTexts(bytes) : told(bytes, kind);
  } catch (error) {
    if (error instanceof RangeError || error instanceof SyntaxError || error instanceof TypeError) return new Map(); // cut off, or not what it says
    throw error;
  }
}

function told(bytes: Uint8Array, kind: Exclude<MediaKind, "png">): ReadonlyMap<string, string> {
  switch (kind) {
    case "webp":
    case "jpeg":
      return exifTexts(bytes, kind);
    case "film":
      return unfolded(boxTexts(bytes));
    case "webm":
      return unfolded(ebmlTexts(bytes));
    case "flac":
    case "ogg":
      return unfolded(vorbisTexts(bytes, kind));
    case "mp3":
      return unfolded(id3Texts(bytes));
    case "glb":
      return glbTexts(bytes);
    case "safetensors":
      return fromObject(tryObject(utf8(bytes.subarray(8, 8 + headerLength(bytes)))).__metadata__);
    case "svg":
      return svgTexts(utf8(bytes));
  }
}

/** Some writers put one object of all into the comment. */
function unfolded(texts: Map<string, string>): ReadonlyMap<string, string> {
  for (const [key, text] of [...texts]) {
    if (!/^(comment|description|\u00a9cmt)$/i.test(key) || !text.trimStart().startsWith("{")) continue;
    for (const [inner, value] of fromObject(tryObject(text))) if (!texts.has(inner)) texts.set(inner, value);
  }
  return texts;
}

function glbTexts(bytes: Uint8Array): ReadonlyMap<string, string> {
  const length = viewOf(bytes).getUint32(12, true);
  const whole = tryObject(utf8(bytes.subarray(20, 20 + length)));
  const asset = isObject(whole.asset) ? whole.asset.extras : undefined;
  return new Map([...fromObject(whole.extras), ...fromObject(asset)]);
}

function svgTexts(text: string): ReadonlyMap<string, string> {
  const metadata = /<metadata[^>]*>([\s\S]*?)<\/metadata>/i.exec(text)?.[1] ?? "";
  const data = /<!\[CDATA\[([\s\S]*?)\]\]>/.exec(metadata)?.[1] ?? metadata;
  return fromObject(tryObject(data));
}

/** Values that are no texts are written as JSON. */
function fromObject(value: unknown): Map<string, string> {
  const object = typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
  return new Map(Object.entries(object).map(([key, one]) => [key, typeof one === "string" ? one : stringifyJson(one)]));
}

/** An empty one where the text is something else: words of a person, or cut off. */
function tryObject(text: string): JsonObject {
  try {
    const value = parseJson(text.replace(/\0+$/, ""));
    return isObject(value) ? value : {};
  } catch (error) {
    if (error instanceof JsonError) return {};
    throw error;
  }
}

function headerLength(bytes: Uint8Array): number {
  return Number(viewOf(bytes).getBigUint64(0, true));
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function utf8(bytes: Uint8Array): string {
  return new TextDecoder("utf-8").decode(bytes);
}

export function ascii(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}
