/** Metadata of MP4 and MOV: keys and values in moov/meta or moov/udta/meta, and the older list by four letters. Source: QuickTime File Format, "Metadata". */

interface Box {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

export function boxTexts(bytes: Uint8Array): Map<string, string> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const texts = new Map<string, string>();
  const moov = inside(bytes, view, 0, bytes.length).find(({ type }) => type === "moov");
  if (!moov) return texts;
  const within = (box: Box): Box[] => inside(bytes, view, box.start, box.end);
  const top = within(moov);
  const metas = [...top, ...top.filter(({ type }) => type === "udta").flatMap(within)].filter(({ type }) => type === "meta");
  for (const meta of metas) readMeta(bytes, view, meta, texts);
  return texts;
}

function readMeta(bytes: Uint8Array, view: DataView, meta: Box, texts: Map<string, string>): void {
  // In MP4 it has a version before its boxes, in QuickTime it has none.
  const plain = inside(bytes, view, meta.start, meta.end);
  const boxes = plain.some(({ type }) => type === "hdlr") ? plain : inside(bytes, view, meta.start + 4, meta.end);
  const list = boxes.find(({ type }) => type === "ilst");
  if (!list) return;
  const keys = boxes.find(({ type }) => type === "keys");
  const names = keys ? readKeys(bytes, view, keys) : [];
  for (const item of inside(bytes, view, list.start, list.end)) {
    const data = inside(bytes, view, item.start, item.end).find(({ type }) => type === "data");
    const name = names[view.getUint32(item.start - 4) - 1] ?? item.type;
    if (data && !texts.has(name)) texts.set(name, new TextDecoder().decode(bytes.subarray(data.start + 8, data.end)));
  }
}

function readKeys(bytes: Uint8Array, view: DataView, { start, end }: Box): string[] {
  const names: string[] = [];
  for (let at = start + 8; at + 8 <= end;) {
    const length = view.getUint32(at);
    if (length < 8) break;
    names.push(new TextDecoder().decode(bytes.subarray(at + 8, at + length)).replace(/^com\.apple\.quicktime\./, ""));
    at += length;
  }
  return names;
}

function inside(bytes: Uint8Array, view: DataView, from: number, to: number): Box[] {
  const found: Box[] = [];
  for (let at = from; at + 8 <= to;) {
    const short = view.getUint32(at);
    const [head, length] = short === 1 && at + 16 <= to ? [16, Number(view.getBigUint64(at + 8))] : [8, short === 0 ? to - at : short];
    if (length < head || at + length > to) break;
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    found.push({ type, start: at + head, end: at + length });
    at += length;
  }
  return found;
}
