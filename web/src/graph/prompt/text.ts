/** What is worked into texts on their way to a prompt: choices, comments, names of files. */
import { stringifyJson } from "../json";
import type { DocumentState, JsonValue, Node } from "../types";

/** A number from 0 to, not including, 1. */
export type Random = () => number;

/**
 * Strip line comments and block comments; make each `{a|b|c}` choice at random, inner ones too; a backslash keeps
 * a brace or a bar. A brace without its partner stays as it is.
 */
export function resolveChoices(text: string, random: Random): string {
  const plain = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
  return new Choices(plain, random).all();
}

class Choices {
  #at = 0;
  constructor(
    readonly text: string,
    readonly random: Random,
  ) {}

  all(): string {
    return this.#until(false).join("|");
  }

  /** Alternatives up to the closing brace (or the end), each with its own choices made. */
  #until(inside: boolean): string[] {
    const found = [""];
    const add = (piece: string): void => {
      found[found.length - 1] += piece;
    };
    while (this.#at < this.text.length) {
      const mark = this.text[this.#at] ?? "";
      this.#at += 1;
      if (mark === "\\" && "{}|".includes(this.text[this.#at] ?? " ")) {
        add(this.text[this.#at] ?? "");
        this.#at += 1;
      } else if (mark === "{") add(this.#choice());
      else if (mark === "}" && inside) return found;
      else if (mark === "|" && inside) found.push("");
      else add(mark);
    }
    return found;
  }

  #choice(): string {
    const start = this.#at;
    if (!closes(this.text, start)) return "{";
    const options = this.#until(true);
    return options[Math.min(options.length - 1, Math.floor(this.random() * options.length))] ?? "";
  }
}

/** Whether the brace opened before `start` is closed somewhere. */
function closes(text: string, start: number): boolean {
  let depth = 1;
  for (let at = start; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === "{") depth += 1;
    else if (text[at] === "}" && --depth === 0) return true;
  }
  return false;
}

const SERVER_WORDS = new Set(["width", "height", "year", "month", "day", "hour", "minute", "second"]);

/** Fill in `%date:yyyy-MM-dd%` and `%NodeName.widget%`. Words that the server fills in stay, unknown ones too. */
export function fillFileName(text: string, state: DocumentState, now: Date): string {
  return text.replace(/%([^%]+)%/g, (whole, word: string) => {
    if (SERVER_WORDS.has(word)) return whole;
    if (word === "date" || word.startsWith("date:"))
      return formatDate(word.slice("date:".length) || "yyyyMMddhhmmss", now);
    const dot = word.indexOf(".");
    const value = dot < 0 ? undefined : widgetOfNamed(state, word.slice(0, dot), word.slice(dot + 1));
    return value === undefined ? whole : cleanForFile(value);
  });
}

/** Marks that file systems refuse become `_`. */
function cleanForFile(value: JsonValue): string {
  const text = typeof value === "object" && value !== null ? stringifyJson(value) : String(value);
  // eslint-disable-next-line no-control-regex
  return text.replace(/[/?<>\\:*|"\u0000-\u001f\u007f]/g, "_");
}

function widgetOfNamed(state: DocumentState, name: string, widget: string): JsonValue | undefined {
  const nodes = [...state.graphs.values()].flatMap((graph) => [...graph.nodes.values()]);
  const named =
    nodes.find((node) => node.properties["Node name for S&R"] === name) ?? nodes.find((node) => titleOf(node) === name);
  return named?.widgets[widget];
}

function titleOf(node: Node): string {
  return node.title ?? node.type;
}

function formatDate(form: string, now: Date): string {
  const parts: Readonly<Record<string, number>> = {
    d: now.getDate(),
    M: now.getMonth() + 1,
    h: now.getHours(),
    m: now.getMinutes(),
    s: now.getSeconds(),
  };
  return form.replace(/y+|d{1,2}|M{1,2}|h{1,2}|m{1,2}|s{1,2}/g, (token) => {
    const letter = token[0] ?? "";
    if (letter === "y") return String(now.getFullYear()).slice(-Math.max(2, token.length));
    return String(parts[letter] ?? "").padStart(token.length, "0");
  });
}
