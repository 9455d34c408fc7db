/** JSON that loses nothing: whole numbers beyond 2^53 become `bigint`; NaN and Infinity, which some tools write, are read. */
import type { JsonValue } from "./types";

export type JsonProblem = "follows" | "deep" | "colon" | "comma-brace" | "comma-bracket" | "text" | "bad-text" | "word" | "end";

/** What is wrong, and in which line; the message is for consoles. */
export class JsonError extends Error {
  override name = "JsonError";
  readonly line: number;

  constructor(
    readonly problem: JsonProblem,
    text: string,
    at: number,
  ) {
    const line = text.slice(0, at).split("\n").length;
    super(`${problem}, line ${line}`);
    this.line = line;
  }
}

/** @throws JsonError if the text is no JSON. */
export function parseJson(source: string): JsonValue {
  const text = source.startsWith("\uFEFF") ? source.slice(1) : source;
  if (!/\d{16}|NaN|Infinity|__proto__/.test(text)) {
    try {
      return JSON.parse(text) as JsonValue;
    } catch {
      // The reader below finds the same fault and tells its line.
    }
  }
  return new Reader(text).whole();
}

/** `NaN` and `Infinity` have no JSON: they become null. */
export function stringifyJson(value: JsonValue, indent = 0): string {
  return write(value, indent === 0 ? "" : "\n", " ".repeat(indent));
}

function write(value: JsonValue, line: string, indent: string): string {
  if (typeof value === "bigint") return value.toString();
  // A double beyond 2^53 has an exponent, so that it is not read as a whole number of exactly that many digits.
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) return (value as number).toExponential();
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const inner = line === "" ? "" : line + indent;
  if (Array.isArray(value)) {
    const items = (value as readonly JsonValue[]).map((item) => inner + write(item, inner, indent));
    return items.length === 0 ? "[]" : `[${items.join(",")}${line}]`;
  }
  const colon = line === "" ? ":" : ": ";
  const pairs = Object.entries(value).flatMap(([key, item]) =>
    item === undefined ? [] : [inner + JSON.stringify(key) + colon + write(item as JsonValue, inner, indent)],
  );
  return pairs.length === 0 ? "{}" : `{${pairs.join(",")}${line}}`;
}

const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const WORDS: readonly [string, JsonValue][] = [
  ["true", true],
  ["false", false],
  ["null", null],
  ["NaN", Number.NaN],
  ["Infinity", Infinity],
  ["-Infinity", -Infinity],
];
const DEEPEST = 2000;

class Reader {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): JsonValue {
    this.#space();
    const value = this.#value();
    this.#space();
    if (this.#at < this.#text.length) this.#fail("follows");
    return value;
  }

  #value(): JsonValue {
    const first = this.#text[this.#at];
    if (first === "{" || first === "[") {
      if (++this.#depth > DEEPEST) this.#fail("deep");
      const value = first === "{" ? this.#object() : this.#array();
      this.#depth -= 1;
      return value;
    }
    if (first === '"') return this.#string();
    const word = WORDS.find(([name]) => this.#text.startsWith(name, this.#at));
    if (word) {
      this.#at += word[0].length;
      return word[1];
    }
    return this.#number();
  }

  #object(): JsonValue {
    const object: Record<string, JsonValue> = {};
    this.#at += 1;
    this.#space();
    if (this.#take("}")) return object;
    for (;;) {
      const key = this.#string();
      this.#space();
      if (!this.#take(":")) this.#fail("colon");
      this.#space();
      // Not an assignment: the key may be "__proto__".
      Object.defineProperty(object, key, {
        value: this.#value(),
        enumerable: true,
        configurable: true,
        writable: true,
      });
      this.#space();
      if (this.#take("}")) return object;
      if (!this.#take(",")) this.#fail("comma-brace");
      this.#space();
    }
  }

  #array(): JsonValue {
    const items: JsonValue[] = [];
    this.#at += 1;
    this.#space();
    if (this.#take("]")) return items;
    for (;;) {
      items.push(this.#value());
      this.#space();
      if (this.#take("]")) return items;
      if (!this.#take(",")) this.#fail("comma-bracket");
      this.#space();
    }
  }

  #string(): string {
    const start = this.#at;
    if (this.#text[start] !== '"') this.#fail("text");
    let end = start + 1;
    while (end < this.#text.length && this.#text[end] !== '"') end += this.#text[end] === "\\" ? 2 : 1;
    this.#at = end + 1;
    try {
      return JSON.parse(this.#text.slice(start, end + 1)) as string;
    } catch {
      return this.#fail("bad-text");
    }
  }

  #number(): number | bigint {
    NUMBER.lastIndex = this.#at;
    const found = NUMBER.exec(this.#text);
    if (!found) return this.#fail(this.#at < this.#text.length ? "word" : "end");
    this.#at += found[0].length;
    const value = Number(found[0]);
    const whole = found[1] === undefined && found[2] === undefined;
    return whole && !Number.isSafeInteger(value) ? BigInt(found[0]) : value;
  }

  #take(mark: string): boolean {
    const found = this.#text[this.#at] === mark;
    if (found) this.#at += 1;
    return found;
  }

  #space(): void {
    while (" \n\r\t".includes(this.#text[this.#at] ?? "x")) this.#at += 1;
  }

  #fail(problem: JsonProblem): never {
    throw new JsonError(problem, this.#text, this.#at);
  }
}
