/** Numbers, times and sizes as the page's language writes them. */
import { languageCode } from "./index";

/** "14:32". */
export function timeOfDay(ms: number): string {
  return new Date(ms).toLocaleTimeString(languageCode(), { hour: "2-digit", minute: "2-digit" });
}

/** "26 Nov, 14:32"; with the year if it is another one. */
export function dayAndTime(ms: number): string {
  const date = new Date(ms);
  const year = date.getFullYear() === new Date().getFullYear() ? {} : ({ year: "numeric" } as const);
  return date.toLocaleString(languageCode(), { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", ...year });
}

/** "1,234" or "1.234". */
export function number(value: number, digits = 2): string {
  return new Intl.NumberFormat(languageCode(), { maximumFractionDigits: digits }).format(value);
}

/** "40 %" or "40%": `share` of 1. */
export function percent(share: number): string {
  return new Intl.NumberFormat(languageCode(), { style: "percent", maximumFractionDigits: 0 }).format(share);
}

/** "apples, pears and plums". */
export function listed(items: readonly string[]): string {
  return new Intl.ListFormat(languageCode(), { type: "conjunction" }).format(items);
}

/** With so many digits after the point: "1.0", "1,0". */
export function fixed(value: number, digits: number): string {
  return new Intl.NumberFormat(languageCode(), { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false }).format(value);
}
