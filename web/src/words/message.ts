/** What a catalogue holds: a text with `{names}` in it, or one text for each plural form of `{count}`. */

export type Plural = { readonly other: string } & { readonly [Form in Exclude<Intl.LDMLPluralRule, "other">]?: string };
export type Message = string | Plural;

/** What stands between braces in a text. */
type NamesIn<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}` ? Name | NamesIn<Rest> : never;

/** The values that a message needs. */
export type ValuesOf<M extends Message> = M extends string ? NamesIn<M> : NamesIn<M[keyof M] & string> | "count";

/** Another language's catalogue: the same keys, a plural where English has one. */
export type Translated<English extends Readonly<Record<string, Message>>> = {
  readonly [Key in keyof English]: English[Key] extends string ? string : Plural;
};

/** Numbers are written as the language writes them; texts stay as they are. */
export type Values = Readonly<Record<string, string | number>>;

/** A message with its values in place. */
export function filled(message: Message, values: Values, language: string): string {
  const text = typeof message === "string" ? message : pluralFor(message, values.count, language);
  return text.replace(/\{(\w+)\}/g, (braces, name: string) => {
    const value = values[name];
    if (value === undefined) return braces;
    return typeof value === "number" ? numberFormat(language).format(value) : value;
  });
}

function pluralFor(message: Plural, count: string | number | undefined, language: string): string {
  const form = pluralRules(language).select(typeof count === "number" ? count : Number(count ?? 0));
  return message[form] ?? message.other;
}

const kept = new Map<string, Intl.PluralRules>();
const keptNumbers = new Map<string, Intl.NumberFormat>();

/** Making one costs far more than asking it. */
function pluralRules(language: string): Intl.PluralRules {
  const known = kept.get(language) ?? new Intl.PluralRules(language);
  kept.set(language, known);
  return known;
}

function numberFormat(language: string): Intl.NumberFormat {
  const known = keptNumbers.get(language) ?? new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
  keptNumbers.set(language, known);
  return known;
}
