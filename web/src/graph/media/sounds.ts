/** Comments of FLAC and Ogg, and texts of MP3. Sources: RFC 9639 (FLAC), section 8.6; RFC 3533 (Ogg); ID3 2.3 and 2.4, TXXX. */

const COMMENTS = 4;

export function vorbisTexts(bytes: Uint8Array, kind: "flac" | "ogg"): Map<string, string> {
  const block = kind === "flac" ? flacBlock(bytes) : oggBlock(bytes);
  const texts = new Map<string, string>();
  if (!block) return texts;
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  let at = 4 + view.getUint32(0, true);
  const count = view.getUint32(at, true);
  at += 4;
  for (let index = 0; index < count && at + 4 <= block.length; index += 1) {
    const length = view.getUint32(at, true);
    const text = new TextDecoder().decode(block.subarray(at + 4, at + 4 + length));
    const cut = text.indexOf("=");
    if (cut > 0 && !texts.has(text.slice(0, cut).toLowerCase())) texts.set(text.slice(0, cut).toLowerCase(), text.slice(cut + 1));
    at += 4 + length;
  }
  return texts;
}

function flacBlock(bytes: Uint8Array): Uint8Array | undefined {
  for (let at = 4; at + 4 <= bytes.length;) {
    const kind = bytes[at] ?? 0;
    const length = ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
    if ((kind & 0x7f) === COMMENTS) return bytes.subarray(at + 4, at + 4 + length);
    if ((kind & 0x80) !== 0) return undefined; // the last one
    at += 4 + length;
  }
  return undefined;
}

/** The second packet of the stream, put together from its pages. */
function oggBlock(bytes: Uint8Array): Uint8Array | undefined {
  const parts: Uint8Array[] = [];
  let packet = 0;
  for (let at = 0; at + 27 <= bytes.length && bytes[at] === 0x4f && bytes[at + 1] === 0x67;) {
    const segments = bytes[at + 26] ?? 0;
    let data = at + 27 + segments;
    for (const length of bytes.subarray(at + 27, at + 27 + segments)) {
      if (packet === 1) parts.push(bytes.subarray(data, data + length));
      data += length;
      if (length === 255) continue;
      packet += 1;
      if (packet === 2) return afterName(joined(parts));
    }
    at = data;
  }
  return undefined;
}

function afterName(packet: Uint8Array): Uint8Array | undefined {
  const name = String.fromCharCode(...packet.subarray(0, 8));
  if (name === "OpusTags") return packet.subarray(8);
  return name.slice(1, 7) === "vorbis" ? packet.subarray(7) : undefined;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function id3Texts(bytes: Uint8Array): Map<string, string> {
  const texts = new Map<string, string>();
  const version = bytes[3] ?? 3;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const seven = (at: number): number => [0, 1, 2, 3].reduce((sum, index) => sum * 128 + ((bytes[at + index] ?? 0) & 0x7f), 0);
  const end = Math.min(bytes.length, 10 + seven(6));
  for (let at = 10; at + 10 <= end;) {
    const id = String.fromCharCode(...bytes.subarray(at, at + 4));
    const length = version >= 4 ? seven(at + 4) : view.getUint32(at + 4);
    if (!/^[A-Z0-9]{4}$/.test(id)) break;
    if (id === "TXXX") {
      const [name, ...rest] = decoded(bytes.subarray(at + 10, at + 10 + length)).split("\0");
      if (name && !texts.has(name.toLowerCase())) texts.set(name.toLowerCase(), rest.join("\0").replace(/\0+$/, ""));
    }
    at += 10 + length;
  }
  return texts;
}

/** The first byte says in which code it is. */
function decoded(frame: Uint8Array): string {
  const code = ["latin1", "utf-16", "utf-16be", "utf-8"][frame[0] ?? 3] ?? "utf-8";
  const text = new TextDecoder(code).decode(frame.subarray(1));
  return text.replace(/\0\ufeff/g, "\0");
}
