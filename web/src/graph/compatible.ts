/** Which types fit together. */

/** Equal, or one takes anything, or both name a type in common; letter case does not count. */
export function compatible(a: string, b: string): boolean {
  if (isWild(a) || isWild(b)) return true;
  if (a.toLowerCase() === b.toLowerCase()) return true;
  const members = new Set(a.toLowerCase().split(","));
  return b
    .toLowerCase()
    .split(",")
    .some((member) => members.has(member));
}

function isWild(type: string): boolean {
  return type === "*" || type === "" || type === "0";
}
