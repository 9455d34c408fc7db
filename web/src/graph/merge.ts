/** Many batches of patches as one: a drag of a hundred moves is kept, and undone, as a single move. */
import { type AnyRecord, type Batch, type NodePatch, type Patch, type RecordPatch, patchNode } from "./patch";
import type { Node } from "./types";

/** A batch that does at once what `batches` do in turn. */
export function merge(batches: readonly Batch[]): Batch {
  if (batches.length === 1 && batches[0]) return batches[0];
  const merged = new Map<string, Patch>();
  for (const patch of batches.flat()) {
    const key = keyOf(patch);
    const earlier = merged.get(key);
    merged.set(key, earlier ? join(earlier, patch) : patch);
  }
  const patches = [...merged.values()].filter((patch) => patch.kind !== "record" || patch.before !== patch.after);
  return [...patches.filter(({ kind }) => kind !== "order"), ...patches.filter(({ kind }) => kind === "order")];
}

/** What a patch is about. */
function keyOf(patch: Patch): string {
  switch (patch.kind) {
    case "graphs":
      return "graphs";
    case "meta":
      return `meta ${patch.graph}`;
    case "order":
      return `order ${patch.graph} ${patch.table}`;
    case "record":
      return `record ${patch.graph} ${patch.table} ${typeof patch.id} ${patch.id}`;
    case "node":
      return `record ${patch.graph} nodes ${typeof patch.id} ${patch.id}`;
  }
}

function join(earlier: Patch, later: Patch): Patch {
  if (earlier.kind === "node")
    return later.kind === "node" ? joinFields(earlier, later) : joinRemoval(earlier, later as RecordPatch);
  if (earlier.kind === "record" && later.kind === "node") {
    const after = earlier.after && patchNode(earlier.after as Node, later.after);
    return { ...earlier, after };
  }
  return { ...later, before: earlier.before } as Patch;
}

function joinFields(earlier: NodePatch, later: NodePatch): NodePatch {
  return {
    ...later,
    before: {
      fields: { ...later.before.fields, ...earlier.before.fields },
      widgets: { ...later.before.widgets, ...earlier.before.widgets },
    },
    after: {
      fields: { ...earlier.after.fields, ...later.after.fields },
      widgets: { ...earlier.after.widgets, ...later.after.widgets },
    },
  };
}

/** Changed, then deleted: what was there at first is the deleted node with the change taken back. */
function joinRemoval(earlier: NodePatch, later: RecordPatch): RecordPatch {
  const before: AnyRecord | undefined = later.before && patchNode(later.before as Node, earlier.before);
  return { ...later, before };
}
