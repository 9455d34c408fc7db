/** Nodes by category, as a tree: `advanced/model_merging` is a branch of `advanced`. */
import type { NodeDef } from "../graph";

export interface Branch {
  /** The whole category, which tells branches of one name apart. */
  readonly path: string;
  readonly name: string;
  /** Nodes here and in all branches. */
  readonly count: number;
  readonly branches: readonly Branch[];
  readonly defs: readonly NodeDef[];
}

/** The branches of the first level, each level by name; what is for testing (`_for_testing`) comes last. */
export function branchesOf(defs: Iterable<NodeDef>, without: string): readonly Branch[] {
  const stepsOf = ({ category }: NodeDef): readonly string[] => {
    const steps = category.split("/").filter((step) => step.trim() !== ""); // packs write "/mine/" too
    return steps.length > 0 ? steps : [without];
  };
  return grown([...defs].map((def) => ({ def, steps: stepsOf(def) })), 0);
}

type Placed = { readonly def: NodeDef; readonly steps: readonly string[] };

function grown(placed: readonly Placed[], depth: number): readonly Branch[] {
  const byStep = new Map<string, Placed[]>();
  for (const each of placed) {
    const step = each.steps[depth];
    if (step === undefined) continue; // it stands in the branch itself
    const beside = byStep.get(step);
    if (beside) beside.push(each);
    else byStep.set(step, [each]);
  }
  return [...byStep].sort(([a], [b]) => Number(a.startsWith("_")) - Number(b.startsWith("_")) || a.localeCompare(b)).map(([step, within]) => ({
    path: within[0]?.steps.slice(0, depth + 1).join("/") ?? step,
    name: step.replaceAll("_", " ").trim(),
    count: within.length,
    branches: grown(within, depth + 1),
    defs: within.filter(({ steps }) => steps.length === depth + 1).map(({ def }) => def),
  }));
}
