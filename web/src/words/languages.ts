/** The languages there are, and which one a person gets. English is in the first script; others are loaded when they are chosen. */
import type { en } from "./en";
import type { Translated } from "./message";

export type Catalogue = Translated<typeof en>;

export interface Language {
  /** As browsers and Intl name it. */
  readonly code: string;
  /** What its people call it. */
  readonly name: string;
  readonly direction: "ltr" | "rtl";
  /** Undefined for English, which is there. */
  readonly load?: (() => Promise<Catalogue>) | undefined;
}

export const ENGLISH: Language = { code: "en", name: "English", direction: "ltr" };

export const LANGUAGES: readonly Language[] = [
  ENGLISH,
  { code: "de", name: "Deutsch", direction: "ltr", load: async () => (await import("./de")).de },
  { code: "ja", name: "日本語", direction: "ltr", load: async () => (await import("./ja")).ja },
];

/** The language that a person chose, else the first of the browser's that there is, else English. */
export function languageFor(chosen: string | undefined, wished: readonly string[], known: readonly Language[] = LANGUAGES): Language {
  for (const wish of [...(chosen === undefined ? [] : [chosen]), ...wished]) {
    const base = wish.toLowerCase().split("-")[0];
    const found = known.find(({ code }) => code.toLowerCase() === wish.toLowerCase()) ?? known.find(({ code }) => code === base);
    if (found) return found;
  }
  return ENGLISH;
}
