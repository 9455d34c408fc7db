/** Where a prompt gives words a weight: `(like this:1.2)`, `(this)`, `[this]`. */

export interface Run {
  readonly text: string;
  /** 1 is plain. */
  readonly weight: number;
}

/** The text in runs of equal weight; brackets belong to the run that they open. */
export function weigh(text: string): Run[] {
  const runs: Run[] = [];
  let plain = 0;
  for (let at = 0; at < text.length; at += 1) {
    const open = text[at];
    if (open === "\\") {
      at += 1;
      continue;
    }
    if (open !== "(" && open !== "[") continue;
    const end = closing(text, at);
    if (end === undefined) continue;
    if (at > plain) runs.push({ text: text.slice(plain, at), weight: 1 });
    const inner = text.slice(at, end + 1);
    runs.push({ text: inner, weight: weightOf(inner) });
    plain = end + 1;
    at = end;
  }
  if (plain < text.length) runs.push({ text: text.slice(plain), weight: 1 });
  return runs;
}

function closing(text: string, start: number): number | undefined {
  const [open, close] = text[start] === "(" ? ["(", ")"] : ["[", "]"];
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === open) depth += 1;
    else if (text[at] === close && (depth -= 1) === 0) return at;
  }
  return undefined;
}

function weightOf(inner: string): number {
  const told = /:\s*(-?\d*\.?\d+)\s*\)$/.exec(inner);
  if (told) return Number(told[1]);
  return inner.startsWith("(") ? 1.1 : 1;
}
