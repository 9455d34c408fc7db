/** "14:32", as people write it where the browser is. */
export function timeOfDay(ms: number): string {
  return new Date(ms).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
}

/** "apple study" for "apple study.json". */
export function nameOfFile(path: string): string {
  return path.replace(/\.json$/, "");
}

/** What went wrong, in words for people. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** "1 file", "3 files"; nothing for none. */
export function counted(number: number, one: string, several: string): string {
  return number === 0 ? "" : `${number} ${number === 1 ? one : several}`;
}
