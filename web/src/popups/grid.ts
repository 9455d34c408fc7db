/** Arrow keys among things that stand in rows: `[data-step]` elements, and the field above them. */

const WAYS: Readonly<Record<string, readonly [number, number]>> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Go to the next thing in the direction of an arrow key; up from the first row is the field. @returns whether the key was taken. */
export function stepAmong(body: HTMLElement, field: HTMLElement | undefined, event: KeyboardEvent): boolean {
  const way = WAYS[event.key];
  if (!way) return false;
  const things = [...body.querySelectorAll<HTMLElement>("[data-step]")];
  if (event.target === field) {
    if (event.key !== "ArrowDown") return false;
    things[0]?.focus();
    return true;
  }
  const from = things.find((thing) => thing === document.activeElement);
  if (!from) return false;
  const next = way[0] !== 0 ? things[things.indexOf(from) + way[0]] : nearestRow(things, from, way[1]);
  if (next) next.focus();
  else if (event.key === "ArrowUp") field?.focus();
  return true;
}

/** The thing above or below that stands most nearly in the same column. */
function nearestRow(things: readonly HTMLElement[], from: HTMLElement, way: number): HTMLElement | undefined {
  const box = from.getBoundingClientRect();
  const beyond = things.map((thing) => ({ thing, at: thing.getBoundingClientRect() })).filter(({ at }) => (way > 0 ? at.top > box.top + 4 : at.top < box.top - 4));
  if (beyond.length === 0) return undefined;
  const row = way > 0 ? Math.min(...beyond.map(({ at }) => at.top)) : Math.max(...beyond.map(({ at }) => at.top));
  const inRow = beyond.filter(({ at }) => Math.abs(at.top - row) < 4);
  return inRow.sort((a, b) => Math.abs(a.at.left - box.left) - Math.abs(b.at.left - box.left))[0]?.thing;
}
