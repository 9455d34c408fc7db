/** Which outputs to run when a person wants a part of a prompt: those chosen, or else those that chosen nodes feed. */
import type { Prompt } from "./to-prompt";
import { isArray } from "../values";

/**
 * @param chosen ids as the server names them; a subgraph's stands for all in it.
 * @param isOutput whether a class saves or shows something.
 * @returns output nodes, in the prompt's order; none if what is chosen reaches none.
 */
export function targetsOf(prompt: Prompt, chosen: readonly string[], isOutput: (type: string) => boolean): readonly string[] {
  const outputs = Object.keys(prompt).filter((id) => isOutput(prompt[id]?.class_type ?? ""));
  const wanted = new Set<string>();
  for (const one of chosen) {
    const within = (id: string): boolean => id === one || id.startsWith(`${one}:`);
    const own = outputs.filter(within);
    for (const id of own.length > 0 ? own : outputs.filter((output) => before(prompt, output).some(within))) wanted.add(id);
  }
  return outputs.filter((id) => wanted.has(id));
}

/** All that a node of a prompt reads, however far. */
function before(prompt: Prompt, start: string): string[] {
  const seen = new Set<string>();
  const open = [start];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    for (const value of Object.values(prompt[id]?.inputs ?? {})) {
      const source = isArray(value) ? value[0] : undefined;
      if (typeof source === "string" && Object.hasOwn(prompt, source)) open.push(source);
    }
  }
  return [...seen];
}
