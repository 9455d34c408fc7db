/** Where a sheet goes so that all of it is on the page. */
import type { Point } from "../graph";

/** Its top left corner at `at`, moved in where it would stick out. For `use:`. */
export function placed(element: HTMLElement, at: Point): void {
  const { width, height } = element.getBoundingClientRect();
  element.style.left = `${Math.max(8, Math.min(at[0], innerWidth - width - 8))}px`;
  element.style.top = `${Math.max(8, Math.min(at[1], innerHeight - height - 8))}px`;
}

/** Beneath an element, or above it where there is no room. */
export function beneath(element: HTMLElement, anchor: DOMRect): void {
  const { height } = element.getBoundingClientRect();
  const below = anchor.bottom + 4 + height < innerHeight - 8;
  placed(element, [anchor.left, below ? anchor.bottom + 4 : anchor.top - height - 4]);
}
