/** Samplers and schedules found by what a person wants of them: "few steps", "sharp", "no noise". */
import type { AboutSampler, AboutSchedule, SamplerTable, Wish } from "../client";
import type { ComboValue } from "../graph";
import { score } from "./search";
import { t } from "../words";

export type About = AboutSampler | AboutSchedule;

/** One list of the table with what people say to find its rows. */
export interface Catalogue {
  readonly rows: readonly About[];
  readonly wishes: readonly Wish[];
}

const FEWEST = 4; // of a list's names are known, and half of them, before it counts as one of samplers
/** A name that begins with the letters comes before any wish; a wish before names that merely hold the letters. */
const WISHED = 75;
export const CLEAR = 50;

export function samplersOf(table: SamplerTable): Catalogue {
  return { rows: table.samplers, wishes: table.sampler_wishes };
}

export function schedulesOf(table: SamplerTable): Catalogue {
  return { rows: table.schedules, wishes: table.schedule_wishes };
}

/** What is known of a combo's options, if they are samplers or schedules. */
export function catalogueOf(table: SamplerTable | undefined, options: readonly ComboValue[]): Catalogue | undefined {
  if (!table) return undefined;
  const has = new Set(options.map(String));
  return [samplersOf(table), schedulesOf(table)].find(({ rows }) => {
    const known = rows.filter(({ name }) => has.has(name)).length;
    return known >= FEWEST && known * 2 >= options.length;
  });
}

/** Rows that answer, the best first, each with how well. All rows where nothing is typed. */
export function wanted({ rows, wishes }: Catalogue, letters: string): { readonly about: About; readonly value: number }[] {
  const typed = letters.toLowerCase().trim().replace(/\s+/g, " ");
  const answering = wishes.flatMap((wish) => {
    const fit = typed === "" ? 0 : Math.max(...wish.words.map((word) => nearness(word, typed)));
    return fit > 0 ? [{ wish, fit }] : [];
  });
  const best = Math.max(0, ...answering.map(({ fit }) => fit));
  const asked = answering.filter(({ fit }) => fit === best);
  return rows
    .map((about, index) => ({ about, index, value: Math.max(score(about.name, typed), wishValue(asked, about.name), wordsValue(about, typed)) }))
    .filter(({ value }) => value > 0)
    .sort((a, b) => b.value - a.value || a.index - b.index);
}

/** 3: the very word; 2: the words typed hold it ("fast and sharp"); 1: it begins so. 0: nothing of it. */
function nearness(word: string, typed: string): number {
  if (word === typed) return 3;
  if (` ${typed} `.includes(` ${word} `)) return 2;
  if (typed.length < 2) return 0;
  return word.startsWith(typed) || (typed.length > 2 && word.split(" ").some((part) => part.startsWith(typed))) ? 1 : 0;
}

/** Of several wishes at once the rows that answer all of them come first, by their places in the lists. */
function wishValue(asked: readonly { readonly wish: Wish }[], name: string): number {
  const places = asked.map(({ wish }) => wish.names.indexOf(name)).filter((place) => place >= 0);
  if (places.length === 0) return 0;
  const place = places.reduce((sum, one) => sum + one, 0) / places.length;
  return WISHED - 10 * (1 - places.length / asked.length) - Math.min(place, 40) / 8;
}

/** What its sentence or its paper says. */
function wordsValue({ purpose, source }: About, typed: string): number {
  if (typed.length < 3) return 0;
  return Math.max(score(purpose, typed) >= 30 ? 35 : 0, source.toLowerCase().includes(typed) ? 30 : 0);
}

/** The first sentence, for one line; what it costs stands beside it. */
export function inShort(purpose: string): string {
  return purpose.replace(/\.\s.*$/, "").replace(/\.$/, "").replace(/[;,] (one|two|three) (network )?calls? a step( but for the last ones)?(?=$|,)/, "");
}

/** "1 call", "2 calls", "own pace"; nothing of schedules. */
export function costOf(about: About): string {
  if (!("calls" in about)) return "";
  return about.calls === null ? t("sheets.own-pace") : t("sheets.calls", { count: about.calls });
}

export function noiseOf(about: About): string {
  if (!("noise" in about)) return "";
  return about.noise ? t("sheets.adds-noise") : t("sheets.no-noise");
}

/** Its first paper in a few letters: "Karras et al. 2022". */
export function paperOf({ source }: About): string {
  const [first = ""] = source.split(/;|, arXiv|, for|, eq|, algorithm|, Acta/);
  if (!/^[A-Z]/.test(first)) return ""; // no paper: the model's own training, say
  const named = /^(.*?\d{4})/.exec(first)?.[1] ?? first;
  return named.replace(/\s*\(.*$/, "").trim();
}

/** Where its first paper is to be read. */
export function arxivOf({ source }: About): string | undefined {
  const id = /arXiv:(\d{4}\.\d{4,5})/.exec(source)?.[1];
  return id === undefined ? undefined : `https://arxiv.org/abs/${id}`;
}
