/** Tags of WebM and Matroska. Source: RFC 8794 (EBML), RFC 9559 (Matroska), section 5.1.8. */

const SEGMENT = 0x18538067;
const TAGS = 0x1254c367;
const TAG = 0x7373;
const SIMPLE = 0x67c8;
const NAME = 0x45a3;
const STRING = 0x4487;

export function ebmlTexts(bytes: Uint8Array): Map<string, string> {
  const texts = new Map<string, string>();
  const named = (from: number, to: number, id: number): Element[] => elements(bytes, from, to).filter((element) => element.id === id);
  const into = (found: readonly Element[], id: number): Element[] => found.flatMap(({ start, end }) => named(start, end, id));
  for (const { start, end } of into(into(into(named(0, bytes.length, SEGMENT), TAGS), TAG), SIMPLE)) {
    const parts = elements(bytes, start, end);
    const text = (id: number): string | undefined => {
      const part = parts.find((element) => element.id === id);
      return part && new TextDecoder().decode(bytes.subarray(part.start, part.end)).replace(/\0+$/, "");
    };
    const [name, value] = [text(NAME)?.toLowerCase(), text(STRING)];
    if (name !== undefined && value !== undefined && !texts.has(name)) texts.set(name, value);
  }
  return texts;
}

interface Element {
  readonly id: number;
  readonly start: number;
  readonly end: number;
}

function elements(bytes: Uint8Array, from: number, to: number): Element[] {
  const found: Element[] = [];
  for (let at = from; at < to;) {
    const id = number(bytes, at, true);
    const size = id && number(bytes, at + id.length, false);
    if (!id || !size) break;
    const start = at + id.length + size.length;
    const end = size.unknown ? to : Math.min(to, start + size.value);
    found.push({ id: id.value, start, end });
    at = end;
  }
  return found;
}

/** A number whose first byte says by its zeros how long it is; ids keep that mark. */
function number(bytes: Uint8Array, at: number, marked: boolean): { readonly value: number; readonly length: number; readonly unknown: boolean } | undefined {
  const first = bytes[at];
  if (first === undefined || first === 0) return undefined;
  const length = Math.clz32(first) - 23;
  if (at + length > bytes.length) return undefined;
  let value = marked ? first : first & (0xff >> length);
  let full = (first & (0xff >> length)) === 0xff >> length;
  for (let index = 1; index < length; index += 1) {
    value = value * 256 + (bytes[at + index] ?? 0);
    full &&= bytes[at + index] === 0xff;
  }
  return { value, length, unknown: full && !marked };
}
