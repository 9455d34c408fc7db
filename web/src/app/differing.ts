/** Differences of two states of a workflow in words. */
import type { Difference } from "../graph";

/** What a node is called. */
export function titleOf({ node }: Difference, ofType: (type: string) => string): string {
  return node.title ?? ofType(node.type);
}

/** What differs in a node; `place`: what to say where only one of both has it. */
export function partsOf(difference: Difference, place: { readonly one: string; readonly other: string }): string {
  if (difference.in !== "both") return place[difference.in];
  return difference.parts.map((part) => part.replace(/[:.]/g, " ") || "thread").join(", ");
}

/** "today, 14:32", "yesterday, 9:10", else with the date. */
export function whenOf(ms: number, now = Date.now()): string {
  const date = new Date(ms);
  const time = date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  const days = (of: number): number => new Date(of).setHours(0, 0, 0, 0);
  const apart = Math.round((days(now) - days(ms)) / 86_400_000);
  return `${apart === 0 ? "today" : apart === 1 ? "yesterday" : date.toLocaleDateString()}, ${time}`;
}
