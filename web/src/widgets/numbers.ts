/** Numbers as people write, drag and read them. Whole numbers beyond 2^53 stay exact. */
import type { FloatWidget, IntWidget, JsonValue } from "../graph";

export type NumberWidget = IntWidget | FloatWidget;
export type Amount = number | bigint;

export function amount(value: JsonValue, widget: NumberWidget): Amount {
  if (typeof value === "number" || typeof value === "bigint") return value;
  return (typeof value === "string" ? readNumber(value) : undefined) ?? widget.default;
}

/** A text as a number; whole ones exactly. */
function readNumber(text: string): Amount | undefined {
  const plain = text.trim();
  if (/^[+-]?\d+$/.test(plain)) return narrowed(BigInt(plain.replace("+", "")));
  const read = plain === "" ? Number.NaN : Number(plain);
  return Number.isNaN(read) ? undefined : read;
}

/** A `number` where one holds every digit. */
function narrowed(value: bigint): Amount {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Groups of three for whole numbers; as many decimals as a step has, more if the value needs them. */
export function format(value: Amount, widget: NumberWidget): string {
  if (typeof value === "bigint") return grouped(value.toString());
  if (widget.kind === "int") return grouped(String(value));
  const least = Math.min(4, decimals(widget.step));
  const text = String(Number(value.toFixed(6)));
  return decimals(Number(text)) < least ? Number(text).toFixed(least) : text;
}

function decimals(value: number): number {
  const text = String(value);
  if (text.includes("e-")) return Number(text.split("e-")[1]);
  return text.split(".")[1]?.length ?? 0;
}

/** Thin spaces between the groups, in numbers of five digits and more. */
function grouped(text: string): string {
  const digits = text.replace(/^-/, "").length;
  return digits < 5 ? text : text.replace(/\B(?=(\d{3})+(?!\d))/g, "\u2009");
}

/** Within the widget's range, and on its step where it asks for that. */
export function fitted(value: Amount, widget: NumberWidget): Amount {
  if (widget.kind === "int") return clampWhole(whole(value), widget);
  const rounded = widget.round > 0 ? Math.round(Number(value) / widget.round) * widget.round : Number(value);
  return Number(Math.min(widget.max, Math.max(widget.min, rounded)).toFixed(10));
}

function whole(value: Amount): Amount {
  return typeof value === "bigint" ? value : Math.round(value);
}

function clampWhole(value: Amount, { min, max }: IntWidget): Amount {
  if (value < min) return min;
  return value > max ? max : value;
}

/** Whether a whole number steps out of those that a double tells apart. */
function leavesExact(value: number, step: number): boolean {
  return Number.isSafeInteger(value) && Number.isFinite(step) && !Number.isSafeInteger(value + Math.round(step));
}

/** So many steps further. */
export function stepped(value: Amount, steps: number, widget: NumberWidget): Amount {
  if (typeof value === "bigint" || (widget.kind === "int" && leavesExact(value, steps * widget.step))) {
    const moved = fitted(BigInt(value) + BigInt(Math.round(steps)) * BigInt(Math.max(1, Math.round(widget.step))), widget);
    return typeof moved === "bigint" ? narrowed(moved) : moved;
  }
  return fitted(Number((value + steps * widget.step).toFixed(10)), widget);
}

/**
 * The range that a field shows as a fill; undefined where a place in it says nothing (seeds, widths).
 * Steps may go to 10 000, but nobody does: a far end is brought nearer.
 */
export function shownRange(widget: NumberWidget): readonly [least: number, most: number] | undefined {
  const [least, most] = [Number(widget.min), Number(widget.max)];
  if (widget.control || !Number.isFinite(least) || !Number.isFinite(most) || most <= least) return undefined;
  if (widget.display === "slider" || most - least <= 100) return [least, most];
  const preset = Number(widget.default);
  return most <= 10_000 && widget.step <= 1 && preset > 0 && least >= 0 ? [least, Math.min(most, preset * 5)] : undefined;
}

/** What a person typed: a number, or a sum. Undefined if it is neither. Spaces between digits are passed over. */
export function calculate(text: string): Amount | undefined {
  const plain = text.replaceAll(/[\s\u2009_]/g, "").replaceAll("×", "*").replaceAll("÷", "/").replaceAll("−", "-").replace(/,(?=\d)/g, ".");
  if (/^-?\d+$/.test(plain)) return narrowed(BigInt(plain));
  const reader = new Sum(plain);
  const value = reader.whole();
  return value !== undefined && Number.isFinite(value) ? value : undefined;
}

/** A reader of sums: terms of factors of powers. */
class Sum {
  #at = 0;

  constructor(readonly text: string) {}

  whole(): number | undefined {
    const value = this.#terms();
    return this.#at === this.text.length ? value : undefined;
  }

  #take(sign: string): boolean {
    if (!this.text.startsWith(sign, this.#at)) return false;
    this.#at += sign.length;
    return true;
  }

  #terms(): number | undefined {
    let value = this.#factors();
    while (value !== undefined) {
      if (this.#take("+")) value = join(value, this.#factors(), (a, b) => a + b);
      else if (this.#take("-")) value = join(value, this.#factors(), (a, b) => a - b);
      else break;
    }
    return value;
  }

  #factors(): number | undefined {
    let value = this.#power();
    while (value !== undefined) {
      if (this.#take("*")) value = join(value, this.#power(), (a, b) => a * b);
      else if (this.#take("/")) value = join(value, this.#power(), (a, b) => a / b);
      else if (this.#take("%")) value = join(value, this.#power(), (a, b) => a % b);
      else break;
    }
    return value;
  }

  #power(): number | undefined {
    const base = this.#unit();
    return base !== undefined && (this.#take("**") || this.#take("^")) ? join(base, this.#power(), (a, b) => a ** b) : base;
  }

  #unit(): number | undefined {
    if (this.#take("-")) return join(0, this.#unit(), (a, b) => a - b);
    if (this.#take("+")) return this.#unit();
    if (this.#take("(")) {
      const value = this.#terms();
      return this.#take(")") ? value : undefined;
    }
    const found = /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?/i.exec(this.text.slice(this.#at));
    if (!found) return undefined;
    this.#at += found[0].length;
    return Number(found[0]);
  }
}

function join(a: number, b: number | undefined, sum: (a: number, b: number) => number): number | undefined {
  return b === undefined ? undefined : sum(a, b);
}
