/** EXIF of WebP and JPEG: the field writes "workflow:{...}" and "prompt:{...}" into tags of text. Source: Exif 2.32, section 4.6; TIFF 6.0. */

const ASCII = 2;
const USER_COMMENT = 0x9286;
const EXIF_POINTER = 0x8769;

export function exifTexts(bytes: Uint8Array, kind: "webp" | "jpeg"): Map<string, string> {
  const texts = new Map<string, string>();
  const block = kind === "webp" ? webpChunk(bytes) : jpegSegment(bytes);
  if (!block) return texts;
  for (const text of tiffTexts(block)) {
    const [, key, value] = /^\s*(\w+)\s*:\s*([\s\S]*)$/.exec(text) ?? [];
    if (key !== undefined && value !== undefined && !texts.has(key.toLowerCase())) texts.set(key.toLowerCase(), value);
  }
  return texts;
}

function webpChunk(bytes: Uint8Array): Uint8Array | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 12; at + 8 <= bytes.length;) {
    const length = view.getUint32(at + 4, true);
    if (named(bytes, at, "EXIF")) return withoutName(bytes.subarray(at + 8, at + 8 + length));
    at += 8 + length + (length % 2);
  }
  return undefined;
}

function jpegSegment(bytes: Uint8Array): Uint8Array | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff;) {
    const [marker, length] = [bytes[at + 1] ?? 0, view.getUint16(at + 2)];
    if (marker === 0xda) return undefined; // the picture begins
    if (marker === 0xe1 && named(bytes, at + 4, "Exif")) return withoutName(bytes.subarray(at + 4, at + 2 + length));
    at += 2 + length;
  }
  return undefined;
}

function withoutName(block: Uint8Array): Uint8Array {
  return named(block, 0, "Exif") ? block.subarray(6) : block;
}

function named(bytes: Uint8Array, at: number, name: string): boolean {
  return [...name].every((letter, index) => bytes[at + index] === letter.charCodeAt(0));
}

/** All texts of the first directory and of the one for EXIF. */
function tiffTexts(block: Uint8Array): string[] {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const little = block[0] === 0x49;
  const found: string[] = [];
  const seen = new Set<number>();
  const directory = (at: number): void => {
    if (seen.has(at) || at + 2 > block.length) return;
    seen.add(at);
    const count = view.getUint16(at, little);
    for (let entry = at + 2; entry < at + 2 + 12 * count && entry + 12 <= block.length; entry += 12) {
      const [tag, type, length] = [view.getUint16(entry, little), view.getUint16(entry + 2, little), view.getUint32(entry + 4, little)];
      const place = length > 4 ? view.getUint32(entry + 8, little) : entry + 8;
      if (tag === EXIF_POINTER) directory(view.getUint32(entry + 8, little));
      else if (type === ASCII) found.push(textOf(block.subarray(place, place + length)));
      else if (tag === USER_COMMENT) found.push(commentOf(block.subarray(place, place + length), little));
    }
  };
  directory(view.getUint32(4, little));
  return found;
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder("utf-8").decode(bytes).replace(/\0+$/, "");
}

/** Eight letters say in which code the comment is. */
function commentOf(bytes: Uint8Array, little: boolean): string {
  const body = bytes.subarray(8);
  return named(bytes, 0, "UNICODE") ? new TextDecoder(little ? "utf-16le" : "utf-16be").decode(body).replace(/\0+$/, "") : textOf(body);
}
