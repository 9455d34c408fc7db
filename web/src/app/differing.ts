/** Differences of two states of a workflow in words. */
import type { Difference } from "../graph";
import { languageCode, t } from "../words";
import { timeOfDay } from "../words/format";

/** What a node is called. */
export function titleOf({ node }: Difference, ofType: (type: string) => string): string {
  return node.title ?? ofType(node.type);
}

/** What differs in a node; `place`: what to say where only one of both has it. */
export function partsOf(difference: Difference, place: { readonly one: string; readonly other: string }): string {
  if (difference.in !== "both") return place[difference.in];
  return difference.parts.map((part) => part.replace(/[:.]/g, " ") || t("panels.thread")).join(", ");
}

/** "today, 14:32", "yesterday, 9:10", else with the date. */
export function whenOf(ms: number, now = Date.now()): string {
  const date = new Date(ms);
  const time = timeOfDay(ms);
  const days = (of: number): number => new Date(of).setHours(0, 0, 0, 0);
  const apart = Math.round((days(now) - days(ms)) / 86_400_000);
  if (apart === 0) return t("panels.today", { time });
  return apart === 1 ? t("panels.yesterday", { time }) : t("panels.on-day", { day: date.toLocaleDateString(languageCode()), time });
}
