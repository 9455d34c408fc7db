/** Texts that a PNG carries: `workflow`, `prompt` and `parameters` among them. */
import { WorkflowError } from "../workflow/read";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** A text that unpacks to more than this is no workflow. */
const LARGEST_TEXT = 256 * 2 ** 20;

export function isPng(bytes: Uint8Array): boolean {
  return SIGNATURE.every((byte, index) => bytes[index] === byte);
}

/**
 * Texts by keyword from the chunks tEXt, zTXt and iTXt; of equal keywords the first. Broken chunks are passed over.
 * Source: PNG (Third Edition), section 11.3.3.
 */
export async function readPngTexts(bytes: Uint8Array): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  if (!isPng(bytes)) return texts;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = SIGNATURE.length; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const type = latin1(bytes.subarray(at + 4, at + 8));
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (body.length < length || type === "IEND") break;
    const text = await readChunk(type, body);
    if (text && !texts.has(text[0])) texts.set(...text);
    at += 12 + length;
  }
  return texts;
}

async function readChunk(type: string, body: Uint8Array): Promise<[string, string] | undefined> {
  const end = body.indexOf(0);
  if (end < 0 || !["tEXt", "zTXt", "iTXt"].includes(type)) return undefined;
  const keyword = latin1(body.subarray(0, end));
  const rest = body.subarray(end + 1);
  if (type === "tEXt") return [keyword, decode(rest)];
  try {
    if (type === "zTXt") return [keyword, decode(await inflate(rest.subarray(1)))];
    const text = afterZero(afterZero(rest.subarray(2)));
    return [keyword, decode(rest[0] === 1 ? await inflate(text) : text)];
  } catch {
    return undefined; // packed data that does not unpack: the other texts may still be good
  }
}

function afterZero(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? new Uint8Array() : bytes.subarray(end + 1);
}

async function inflate(bytes: Uint8Array): Promise<Uint8Array> {
  const source = new Blob([bytes.slice()]).stream().pipeThrough(new DecompressionStream("deflate"));
  const reader = source.getReader();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    size += next.value.length;
    if (size > LARGEST_TEXT) throw new WorkflowError("text-too-large");
    parts.push(next.value);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** UTF-8 where it is that; the standard's Latin-1 else. */
function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return latin1(bytes);
  }
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}
