/** The document: its state, its history, and who wants to hear of changes. */
import type { NodeDef, NodeDefs } from "./defs";
import { Draft } from "./draft";
import { merge } from "./merge";
import type { Entry } from "./journal/entries";
import { type Batch, invert, replay, touchedBy } from "./patch";
import type { Change, ChangeOrigin, DocumentState, Graph, GraphId } from "./types";
import { ROOT } from "./types";
import { emptyState } from "./values";

/**
 * One thing a person does. `apply` writes to a draft and may return what the caller needs (a new node's id);
 * if it throws, nothing has changed. The inverse is not written by hand: the draft notes what was there before.
 * Consecutive commands of equal `coalesce` become one undo step (typing, a slider).
 */
export interface Command<Result = void> {
  readonly label: string;
  readonly coalesce?: string;
  apply(draft: Draft): Result;
}

/** Batches of an open step that are kept apart. */
const LONG_STEP = 32;

export type Listener = (change: Change) => void;

/** One undo step. */
export interface Step {
  readonly label: string;
  readonly coalesce: string | undefined;
  readonly at: number;
  readonly batch: Batch;
}

/** What was done and what was undone, the newest last, and the batches of a step that is still open. */
export interface History {
  readonly past: readonly Step[];
  readonly future: readonly Step[];
  readonly open: { readonly label: string; readonly batches: readonly Batch[] } | null;
}

export interface DocumentOptions {
  /** Of an earlier life of this document. */
  readonly history?: History;
  /** Milliseconds from any start; tells when typing has paused. */
  readonly now?: () => number;
  /** A pause longer than this begins a new undo step. */
  readonly coalesceMs?: number;
}

export class GraphDocument {
  #defs: NodeDefs;
  #state: DocumentState;
  #past: Step[] = [];
  #future: Step[] = [];
  #open: { label: string; batches: Batch[] } | null = null;
  #revision = 0;
  /** Told of everything that changes state or history, before listeners are; undefined of another document's coming. */
  journal: (entry: Entry | undefined) => void = () => {};
  readonly #listeners = new Set<Listener>();
  readonly #now: () => number;
  readonly #coalesceMs: number;

  /** @param defs what commands know of node types. */
  constructor(defs: NodeDefs, state: DocumentState = emptyState(), options: DocumentOptions = {}) {
    this.#defs = defs;
    this.#state = state;
    this.#now = options.now ?? (() => performance.now());
    this.#coalesceMs = options.coalesceMs ?? 1500;
    const { past = [], future = [], open = null } = options.history ?? {};
    this.#past = [...past];
    this.#future = [...future];
    this.#open = open && { label: open.label, batches: [...open.batches] };
  }

  get state(): DocumentState {
    return this.#state;
  }

  get defs(): NodeDefs {
    return this.#defs;
  }

  /** Definition of a node type, the document's own subgraphs among them. */
  def(type: string): NodeDef | undefined {
    return this.#defs.of(this.#state, type);
  }

  /** Counts changes of any kind: equal numbers mean an equal document. */
  get revision(): number {
    return this.#revision;
  }

  /** @throws RangeError if the document has no such graph. */
  graph(id: GraphId = ROOT): Graph {
    const graph = this.#state.graphs.get(id);
    if (!graph) throw new RangeError(`This document has no graph ${id}.`);
    return graph;
  }

  /** Do it, as an undo step of its own or as part of the open transaction. */
  execute<Result>(command: Command<Result>): Result {
    const draft = new Draft(this.#state, this.#defs);
    const result = command.apply(draft);
    const batch = draft.batch();
    if (batch.length === 0) return result;
    this.#state = draft.state();
    this.#future = [];
    const joined = this.#joins(command.coalesce);
    if (this.#open) this.#join(this.#open, batch);
    else this.#record(command.label, command.coalesce, batch, joined);
    this.journal({ op: "do", label: command.label, coalesce: command.coalesce, joined, batch });
    this.#tell("do", command.label, batch);
    return result;
  }

  /** Begin one undo step of many commands (a drag). Listeners hear of each command at once. */
  begin(label: string): void {
    if (this.#open) throw new Error(`The step "${this.#open.label}" is still open.`);
    this.#open = { label, batches: [] };
    this.journal({ op: "begin", label });
  }

  /** End the open step; a step that changed nothing leaves no trace. */
  commit(): void {
    const open = this.#open;
    this.#open = null;
    const batch = merge(open?.batches ?? []);
    if (open && batch.length > 0) this.#record(open.label, undefined, batch, false);
    if (open) this.journal({ op: "commit" });
  }

  /** Take back everything since `begin` (Escape in a drag). */
  rollback(): void {
    const open = this.#open;
    this.#open = null;
    if (open) this.journal({ op: "rollback" });
    if (open && open.batches.length > 0) this.#apply("undo", open.label, invert(merge(open.batches)));
  }

  /** One undo step of all that `work` executes; taken back if it throws. Inside another step it joins that one. */
  transaction<Result>(label: string, work: () => Result): Result {
    if (this.#open) return work();
    this.begin(label);
    try {
      const result = work();
      this.commit();
      return result;
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  /** Let the next command begin a step of its own even if it could join the last (a field lost focus). */
  seal(): void {
    const last = this.#past.at(-1);
    if (last?.coalesce === undefined) return;
    this.#past[this.#past.length - 1] = { ...last, coalesce: undefined };
    this.journal({ op: "seal" });
  }

  get canUndo(): boolean {
    return this.#open === null && this.#past.length > 0;
  }

  get canRedo(): boolean {
    return this.#open === null && this.#future.length > 0;
  }

  /** What undo would take back, for the menu. */
  get undoLabel(): string | undefined {
    return this.#past.at(-1)?.label;
  }

  get redoLabel(): string | undefined {
    return this.#future.at(-1)?.label;
  }

  /** @returns false if there was nothing to undo, or a step is open. */
  undo(): boolean {
    const step = this.canUndo ? this.#past.pop() : undefined;
    if (!step) return false;
    this.#future.push(step);
    this.journal({ op: "undo" });
    this.#apply("undo", step.label, invert(step.batch));
    return true;
  }

  redo(): boolean {
    const step = this.canRedo ? this.#future.pop() : undefined;
    if (!step) return false;
    this.#past.push({ ...step, coalesce: undefined });
    this.journal({ op: "redo" });
    this.#apply("redo", step.label, step.batch);
    return true;
  }

  /**
   * Another document takes this one's place: history begins anew. (To be able to undo an opening, use `replaceAll`.)
   * Give `defs` too when the server's list of nodes was read again.
   */
  load(state: DocumentState, defs: NodeDefs = this.#defs): void {
    this.#defs = defs;
    this.#state = state;
    this.#past = [];
    this.#future = [];
    this.#open = null;
    this.journal(undefined);
    this.#tellAll("Open");
  }

  /** Other definitions for the same document; `refreshDefs` also brings nodes in line with them. */
  setDefs(defs: NodeDefs): void {
    this.#defs = defs;
    this.#tellAll("Refresh");
  }

  /** The server's list of nodes was read again: the document and its history stay. */
  redefine(defs: NodeDefs): void {
    this.#defs = defs;
    this.#revision += 1;
  }

  /**
   * Change without an undo step, for what is not the user's own edit (seed control after a run).
   * Undoing an earlier step leaves it as it is unless that step changed the same thing.
   */
  executeQuietly<Result>(command: Command<Result>): Result {
    const draft = new Draft(this.#state, this.#defs);
    const result = command.apply(draft);
    const batch = draft.batch();
    if (batch.length === 0) return result;
    this.#state = draft.state();
    this.journal({ op: "quiet", label: command.label, batch });
    this.#tell("do", command.label, batch);
    return result;
  }

  /** What undo and redo would do; values that do not change. */
  get history(): History {
    return { past: [...this.#past], future: [...this.#future], open: this.#open && { ...this.#open, batches: [...this.#open.batches] } };
  }

  /** Do again what a journal says was done to this document. */
  play(entry: Entry): void {
    switch (entry.op) {
      case "do":
        this.#future = [];
        if (this.#open) this.#join(this.#open, entry.batch);
        else this.#record(entry.label, entry.coalesce, entry.batch, entry.joined);
        return this.#apply("do", entry.label, entry.batch);
      case "quiet":
        return this.#apply("do", entry.label, entry.batch);
      case "begin":
        return this.begin(entry.label);
      default:
        this[entry.op]();
    }
  }

  /** @returns a function that ends the subscription. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A long drag is gathered as it goes. */
  #join(open: { batches: Batch[] }, batch: Batch): void {
    open.batches.push(batch);
    if (open.batches.length >= LONG_STEP) open.batches = [merge(open.batches)];
  }

  /** Whether a command of that key becomes one step with the last. */
  #joins(coalesce: string | undefined): boolean {
    const last = this.#past.at(-1);
    return !this.#open && coalesce !== undefined && last?.coalesce === coalesce && this.#now() - last.at < this.#coalesceMs;
  }

  #record(label: string, coalesce: string | undefined, batch: Batch, joins: boolean): void {
    const at = this.#now();
    const last = this.#past.at(-1);
    if (joins && last) this.#past[this.#past.length - 1] = { label, coalesce, at, batch: merge([last.batch, batch]) };
    else this.#past.push({ label, coalesce, at, batch });
  }

  #apply(origin: ChangeOrigin, label: string, batch: Batch): void {
    this.#state = replay(this.#state, batch);
    this.#tell(origin, label, batch);
  }

  #tellAll(label: string): void {
    this.#revision += 1;
    const graphs = new Map([...this.#state.graphs].map(([id, graph]) => [id, allOf(graph)]));
    for (const listener of this.#listeners) listener({ origin: "load", label, graphs });
  }

  #tell(origin: ChangeOrigin, label: string, batch: Batch): void {
    this.#revision += 1;
    const change: Change = { origin, label, graphs: touchedBy(batch) };
    for (const listener of this.#listeners) listener(change);
  }
}

function allOf(graph: Graph): {
  nodes: Set<string | number>;
  links: Set<number>;
  groups: Set<number>;
  order: true;
  meta: true;
} {
  return {
    nodes: new Set(graph.nodes.keys()),
    links: new Set(graph.links.keys()),
    groups: new Set(graph.groups.keys()),
    order: true,
    meta: true,
  };
}
