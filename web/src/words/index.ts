/** All words that people read or hear: `t("room.key", { values })`. Knows no DOM and no framework. */
import { en } from "./en";
import { type Catalogue, ENGLISH, type Language } from "./languages";
import { type Message, type ValuesOf, type Values, filled } from "./message";

export { ENGLISH, LANGUAGES, type Language, languageFor } from "./languages";
export type { Catalogue } from "./languages";

export type Key = keyof typeof en;
/** Keys of texts that need no values. */
export type PlainKey = { [K in Key]: [ValuesOf<(typeof en)[K]>] extends [never] ? K : never }[Key];
type Wanted<K extends Key> = [ValuesOf<(typeof en)[K]>] extends [never] ? [] : [values: Readonly<Record<ValuesOf<(typeof en)[K]>, string | number>>];

// The one language of the page, like its stylesheet: no component could speak another.
let catalogue: Catalogue = en;
let language: Language = ENGLISH;
let track: () => void = () => {};

/** The text of a key in the page's language, with its values in place. Numbers are written as the language writes them. */
export function t<K extends Key>(key: K, ...[values]: Wanted<K>): string {
  track();
  return filled(catalogue[key] as Message, (values ?? {}) as Values, language.code);
}

/** The text in pieces: what stands between `{names}` as it is, each name as `{ name }`. For markup inside of a sentence. */
export function pieces<K extends Key>(key: K): readonly (string | { readonly name: string })[] {
  track();
  const message = catalogue[key] as Message;
  const parts = (typeof message === "string" ? message : message.other).split(/\{(\w+)\}/);
  return parts.map((part, index) => (index % 2 === 1 ? { name: part } : part)).filter((part) => part !== "");
}

/** Whether a text is a key: for keys that are made of names. */
export function isKey(text: string): text is Key {
  return text in en;
}

/** What a text without values is in English, whatever the page speaks. */
export function english(key: PlainKey): string {
  return en[key] as string;
}

/** The page's language, as Intl names it. */
export function languageCode(): string {
  track();
  return language.code;
}

export function currentLanguage(): Language {
  track();
  return language;
}

/** Speak another language from now on. */
export function speak(next: Language, words: Catalogue = en): void {
  language = next;
  catalogue = words;
}

/** Who shows words is told when they are asked for, so that it can ask again after a change. */
export function onAsked(work: () => void): void {
  track = work;
}
