/** Whether slots of two types may be linked, as the field has it: any of several, and `*` or 0 with everything. */
import type { Loose } from "../loose";

export function fitting(a: Loose, b: Loose): boolean {
  if (a === "" || a === "*" || a === 0 || a === undefined) return true;
  if (b === "" || b === "*" || b === 0 || b === undefined || a === b) return true;
  const split = (type: Loose): string[] => String(type).toLowerCase().split(",");
  const right = split(b);
  return split(a).some((left) => left === "*" || right.includes("*") || right.includes(left));
}
