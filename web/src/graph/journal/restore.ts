/** A document out of its journal: as it was, with selection, view and history. */
import type { NodeDefs } from "../defs";
import { GraphDocument } from "../document";
import { isArray, isObject } from "../values";
import type { DocumentState } from "../types";
import { ROOT } from "../types";
import { parseWorkflow } from "../workflow/parse";
import { serialize } from "../workflow/serialize";
import { type Entry, FORMAT, type Snapshot, type ViewRecord, unfolded } from "./entries";
import { namesOf } from "./journal";
import type { JournalStore, Kept } from "./store";

export interface Restored {
  readonly document: GraphDocument;
  /** Of a scope that is there. */
  readonly view: ViewRecord;
  /** The number of the last entry, and whether the journal can be continued after it. */
  readonly kept: { readonly last: number; readonly whole: boolean };
}

/** Undefined if nothing was kept under that key. @throws what the storage throws. */
export async function restoreJournal(store: JournalStore, key: string, defs: NodeDefs): Promise<Restored | undefined> {
  const kept = await store.read(key);
  return kept.snapshot && restored(kept, kept.snapshot, defs);
}

function restored({ entries, view }: Kept, snapshot: Snapshot, defs: NodeDefs): Restored {
  const same = snapshot.format === FORMAT;
  const before = same ? new GraphDocument(defs, snapshot.state, { history: snapshot.history, now: () => 0 }) : new GraphDocument(defs, parseWorkflow(snapshot.workflow, defs).state);
  let last = snapshot.last;
  let whole = same;
  for (const [number, entry] of same ? entries : []) {
    whole &&= number === last + 1 && played(before, entry);
    if (!whole) break;
    last = number;
  }
  const closed = before.history.open === null;
  before.commit(); // it ended within a step: what was done of it can be undone
  const { past, future } = before.history;
  // Whatever comes now begins a step of its own.
  const history = { past: past.map((step) => ({ ...step, coalesce: undefined })), future, open: null };
  const state = snapshot.defs === namesOf(defs) ? before.state : read(before.state, defs);
  const document = new GraphDocument(defs, state, { history });
  return { document, view: placed(view, state), kept: { last: Math.max(last, entries.at(-1)?.[0] ?? 0), whole: whole && closed && state === before.state } };
}

/** Whether it could be done again. */
function played(document: GraphDocument, entry: Entry): boolean {
  try {
    document.play(unfolded(entry, document.state));
    return true;
  } catch {
    return false; // of a version that did something else: what came before is there
  }
}

/** Other nodes are known by now: unknown ones may have become known. */
function read(state: DocumentState, defs: NodeDefs): DocumentState {
  return parseWorkflow(serialize(state, defs), defs).state;
}

const NOWHERE: ViewRecord = { scope: ROOT, camera: { offset: [0, 0], scale: 1 }, cameras: [], nodes: [], groups: [], about: {} };

function placed(view: ViewRecord | undefined, { graphs }: DocumentState): ViewRecord {
  if (!isObject(view as never) || !isArray(view?.nodes as never)) return NOWHERE;
  const known = view as ViewRecord;
  const graph = graphs.get(known.scope);
  if (!graph) return { ...known, scope: ROOT, nodes: [], groups: [] };
  return { ...known, nodes: known.nodes.filter((id) => graph.nodes.has(id)), groups: known.groups.filter((id) => graph.groups.has(id)) };
}
