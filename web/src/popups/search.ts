/** Finding by a few letters: whole beginnings first, then beginnings of words, then anything in order. */

/** How well `text` answers; 0 not at all. */
export function score(text: string, letters: string): number {
  const [low, wanted] = [text.toLowerCase(), letters.toLowerCase().trim()];
  if (wanted === "") return 1;
  if (low === wanted) return 100;
  const near = 1 / (1 + text.length / 40);
  const words = spaced(text);
  if (low.startsWith(wanted) || words.toLowerCase().startsWith(wanted)) return 80 + near;
  if (words.toLowerCase().split(/[\s_\-/.]+/).some((word) => word.startsWith(wanted))) return 60 + near;
  if (low.includes(wanted)) return 40 + near;
  const parts = wanted.split(/\s+/);
  if (parts.length > 1 && parts.every((part) => words.toLowerCase().includes(part))) return 35 + near;
  if (initials(words).startsWith(wanted)) return 30 + near;
  return wanted.length > 2 && inOrder(low, wanted) ? 10 + near : 0;
}

/** Whether one of the texts has the letters together, or begins its words with them: not merely somewhere in order. */
export function answers(texts: readonly string[], letters: string): boolean {
  return texts.some((text) => score(text, letters) >= 30);
}

export function rank<Item>(items: Iterable<Item>, letters: string, texts: (item: Item) => readonly string[], less: (item: Item) => number = () => 0): Item[] {
  const found: { item: Item; value: number; index: number }[] = [];
  let index = 0;
  for (const item of items) {
    const value = texts(item).reduce((best, text, at) => Math.max(best, score(text, letters) - at * 4), 0);
    if (value > 0) found.push({ item, value: value - less(item), index });
    index += 1;
  }
  return found.sort((a, b) => b.value - a.value || a.index - b.index).map(({ item }) => item);
}

/** `KSamplerAdvanced` in words. */
function spaced(name: string): string {
  return name.replace(/([a-z\d])([A-Z])/g, "$1 $2").replace(/([A-Z])([A-Z][a-z])/g, "$1 $2");
}

function initials(words: string): string {
  return words.split(/[\s_\-/]+/).map((word) => word[0]?.toLowerCase() ?? "").join("");
}

function inOrder(text: string, letters: string): boolean {
  let at = 0;
  for (const letter of letters) {
    at = text.indexOf(letter, at) + 1;
    if (at === 0) return false;
  }
  return true;
}
