/** What a journal is made of: whole states now and then, and everything that was done since. */
import type { History, Step } from "../document";
import { type Batch, type Patch, replay } from "../patch";
import type { Camera, DocumentState, Graph, GraphId, GroupId, JsonObject, JsonValue, NodeId } from "../types";
import { emptyGraph } from "../values";

/** Another form of the values below is another number: what was written in an older one is read by its `workflow`. */
export const FORMAT = 1;

/** One thing that happened to a document. */
export type Entry =
  | { readonly op: "do"; readonly label: string; readonly coalesce: string | undefined; readonly joined: boolean; readonly batch: Batch }
  | { readonly op: "quiet"; readonly label: string; readonly batch: Batch }
  | { readonly op: "begin"; readonly label: string }
  | { readonly op: "commit" | "rollback" | "undo" | "redo" | "seal" };

/** What a person looked at, and the facts beside the document. */
export interface ViewRecord {
  readonly scope: GraphId;
  readonly camera: Camera;
  /** Where the camera stood in graphs that were left. */
  readonly cameras: readonly (readonly [GraphId, Camera])[];
  readonly nodes: readonly NodeId[];
  readonly groups: readonly GroupId[];
  readonly about: JsonObject;
}

/** A document whole. The browser's own copying keeps which values are shared, so that a long history is small. */
export interface Snapshot {
  readonly format: number;
  /** The number of the last entry that it holds. */
  readonly last: number;
  readonly state: DocumentState;
  readonly history: History;
  /** What nodes there were, in short. */
  readonly defs: string;
  /** The same as a file would hold it, for readers of another `FORMAT`. */
  readonly workflow: JsonValue;
}

/** As an entry is kept: graphs that a change of the set of graphs left where they are need not be written. */
export function folded(entry: Entry): Entry {
  return "batch" in entry ? { ...entry, batch: entry.batch.map(fold) } : entry;
}

function fold(patch: Patch): Patch {
  if (patch.kind !== "graphs") return patch;
  const short = (graphs: DocumentState["graphs"], others: DocumentState["graphs"]): Map<GraphId, Graph> =>
    new Map([...graphs].map(([id, graph]) => [id, others.has(id) ? emptyGraph(id) : graph]));
  return { ...patch, before: short(patch.before, patch.after), after: short(patch.after, patch.before) };
}

/** The entry as it was, given the state before it. */
export function unfolded(entry: Entry, state: DocumentState): Entry {
  if (!("batch" in entry) || !entry.batch.some(({ kind }) => kind === "graphs")) return entry;
  const after = replay(state, entry.batch).graphs;
  return { ...entry, batch: entry.batch.map((patch) => (patch.kind === "graphs" ? { ...patch, before: state.graphs, after } : patch)) };
}

/** So much of a history is kept: the newest steps. */
export interface Bounds {
  readonly steps: number;
  /** Characters, about. */
  readonly size: number;
}

export function bounded({ past, future, open }: History, bounds: Bounds): History {
  let size = 0;
  let first = past.length;
  while (first > 0 && past.length - first < bounds.steps) {
    size += sizeOf((past[first - 1] as Step).batch.map(fold));
    if (size > bounds.size) break;
    first -= 1;
  }
  return { past: past.slice(first), future, open };
}

const sizes = new WeakMap<object, number>();

/** About how many characters a value takes; what was measured once is remembered, since values do not change. */
export function sizeOf(value: unknown): number {
  if (typeof value === "string") return value.length + 2;
  if (typeof value !== "object" || value === null) return 8;
  const known = sizes.get(value);
  if (known !== undefined) return known;
  const items = value instanceof Map ? [...value].flat() : Array.isArray(value) ? value : Object.entries(value).flat();
  const size = items.reduce((sum: number, item) => sum + sizeOf(item), 2);
  sizes.set(value, size);
  return size;
}
