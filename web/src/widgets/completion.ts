/** Names of files that prompts may hold: embeddings by `embedding:name`, LoRAs by `<lora:name:1>` where a pack reads them. */
import { score } from "../popups/search";

export interface Known {
  /** Without folders' endings: as a prompt names them. */
  readonly embeddings: readonly string[];
  readonly loras: readonly string[];
}

export interface Completion {
  readonly kind: "embedding" | "lora";
  readonly name: string;
}

/** What is being written at the caret, and what could be meant. */
export interface Asked {
  /** The letters from here to the caret are replaced. */
  readonly from: number;
  readonly found: readonly Completion[];
}

const MOST = 12;
/** Without its beginning a name is offered only after so many letters. */
const LETTERS = 3;

/** @param asked by a key: all names are offered, whatever is written. */
export function completionsAt(text: string, caret: number, known: Known, asked = false): Asked | undefined {
  const before = text.slice(0, caret);
  const embedding = /(?:^|[\s,(|{])((?:embedding|emb):)([^\s,():|{}]*)$/i.exec(before);
  if (embedding) return offer(before, (embedding[1] ?? "").length + (embedding[2] ?? "").length, embedding[2] ?? "", known.embeddings, "embedding");
  const lora = /<(?:lora:)?([^<>:]*)$/i.exec(before);
  if (lora && /^<l/i.test(lora[0])) {
    const letters = /^<lora:/i.test(lora[0]) ? (lora[1] ?? "") : "";
    return offer(before, lora[0].length, letters, known.loras, "lora");
  }
  const word = /[^\s,():|{}<>]*$/.exec(before)?.[0] ?? "";
  if (!asked && word.length < LETTERS) return undefined;
  const names = asked && word === "" ? known.embeddings : known.embeddings.filter((name) => begins(name, word));
  return offer(before, word.length, word, names, "embedding");
}

/** The text with what was chosen, and where the caret stands then. */
export function completed(text: string, caret: number, { from }: Asked, { kind, name }: Completion): { readonly text: string; readonly caret: number } {
  const written = kind === "embedding" ? `embedding:${name}` : `<lora:${name}:1>`;
  const rest = text.slice(caret);
  return { text: text.slice(0, from) + written + (kind === "lora" ? rest.replace(/^>/, "") : rest), caret: from + written.length };
}

function offer(before: string, length: number, letters: string, names: readonly string[], kind: Completion["kind"]): Asked | undefined {
  const found = names
    .map((name) => ({ name, value: letters === "" ? 1 : Math.max(score(name, letters), score(name.split("/").at(-1) ?? name, letters)) }))
    .filter(({ value }) => value >= 1 && (letters === "" || value >= 30))
    .sort((a, b) => b.value - a.value)
    .slice(0, MOST)
    .map(({ name }): Completion => ({ kind, name }));
  return found.length > 0 ? { from: before.length - length, found } : undefined;
}

function begins(name: string, word: string): boolean {
  return (name.split("/").at(-1) ?? name).toLowerCase().startsWith(word.toLowerCase());
}
