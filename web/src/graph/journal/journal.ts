/** Keeps one document: every command is on its way to the journal before the frame that shows it. */
import type { NodeDefs } from "../defs";
import type { GraphDocument } from "../document";
import type { Camera, GraphId, JsonObject } from "../types";
import type { EditorView } from "../view";
import { serialize } from "../workflow/serialize";
import { type Bounds, type Entry, FORMAT, type Snapshot, type ViewRecord, bounded, folded, sizeOf } from "./entries";
import type { JournalStore } from "./store";

export interface JournalOptions {
  readonly store: JournalStore;
  readonly key: string;
  /** The number of the last entry that is kept already, and whether all of them are in the document; else it is written whole at once. */
  readonly kept?: { readonly last: number; readonly whole: boolean } | undefined;
  /** Small facts to keep beside the document, asked when writing. */
  readonly about?: () => JsonObject;
  readonly cameras?: () => ReadonlyMap<GraphId, Camera>;
  /** Told once when writing fails (storage full or shut), and again after it went well between: work goes on. */
  readonly onError?: (error: unknown) => void;
  /** After that: all is kept again. */
  readonly onMended?: () => void;
  /** Do it when nothing else is to be done. */
  readonly whenIdle?: (work: () => void) => void;
  readonly limits?: Partial<Limits>;
}

export interface Limits extends Bounds {
  /** Entries since the last snapshot, until there is another; also when they are as large as it is. */
  readonly entries: number;
  /** Milliseconds until a camera that moved is written, or a failed write is tried again. */
  readonly delay: number;
}

const LIMITS: Limits = { steps: 2000, size: 16 << 20, entries: 1000, delay: 250 };
/** Characters of entries that are not worth a snapshot. */
const LITTLE = 1 << 20;

export class Journal {
  readonly #limits: Limits;
  readonly #unsubscribe: () => void;
  #waiting: Entry[] = [];
  #last: number;
  #count = 0;
  #size = 0;
  #snapshotSize = 0;
  #asked = false;
  #viewChanged = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Writing failed, so the journal lacks something: only a snapshot mends it. */
  #broken = false;
  #told = false;
  #compacting = false;
  #ended = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    readonly document: GraphDocument,
    readonly view: EditorView,
    readonly options: JournalOptions,
  ) {
    this.#limits = { ...LIMITS, ...options.limits };
    this.#last = options.kept?.last ?? 0;
    document.journal = (entry) => this.#note(entry);
    this.#unsubscribe = view.subscribe((part) => (part === "camera" ? this.#later() : this.soon()));
    if (options.kept?.whole !== true) this.compact();
  }

  /** The selection or the facts beside the document have changed: written at the end of this task. */
  soon(): void {
    this.#viewChanged = true;
    this.#ask();
  }

  /** Write all that waits; when this returns it is kept, or `onError` was told. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#broken) this.#anew();
    else this.#send();
    await this.#writing;
  }

  /** Write no more. What waits is written first. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    this.document.journal = () => {};
    await this.flush();
    this.#ended = true;
  }

  /** The whole document takes the place of what was written so far. */
  compact(): void {
    if (this.#ended) return;
    const { document, view, options } = this;
    this.#waiting = [];
    this.#viewChanged = false;
    const workflow = serialize(document.state, document.defs, view.camera);
    const snapshot: Snapshot = { format: FORMAT, last: this.#last, state: document.state, history: bounded(document.history, this.#limits), defs: namesOf(document.defs), workflow };
    [this.#count, this.#size, this.#snapshotSize] = [0, 0, sizeOf(workflow)];
    this.#broken = false;
    this.#watch(() => options.store.replace(options.key, snapshot, this.#look()));
  }

  #note(entry: Entry | undefined): void {
    if (!entry) {
      return this.compact();
    }
    this.#waiting.push(folded(entry));
    this.#ask();
  }

  /** All of one task is one write: a step of many commands is kept whole or not at all. */
  #ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    queueMicrotask(() => this.#send());
  }

  #send(): void {
    this.#asked = false;
    if (this.#ended) return;
    const { store, key } = this.options;
    const entries = this.#waiting;
    if (this.#broken) return this.#mend();
    if (entries.length === 0 && !this.#viewChanged) return;
    this.#waiting = [];
    this.#viewChanged = false;
    const first = this.#last + 1;
    this.#last += entries.length;
    this.#count += entries.length;
    this.#size += sizeOf(entries);
    this.#watch(() => (entries.length > 0 ? store.append(key, first, entries, this.#look()) : store.look(key, this.#look())));
    if (this.#count > this.#limits.entries || this.#size > Math.max(LITTLE, this.#snapshotSize)) this.#tidy();
  }

  #tidy(): void {
    if (this.#compacting) return;
    this.#compacting = true;
    const idle = this.options.whenIdle ?? ((work) => work());
    idle(() => {
      this.#compacting = false;
      this.compact();
    });
  }

  /** Some entries are nowhere but in memory: try the whole document, not at every key. */
  #mend(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#anew();
    }, this.#limits.delay * 8);
  }

  /** Entries that were lost have numbers that no other gets. */
  #anew(): void {
    this.#last += this.#waiting.length + 1;
    this.compact();
  }

  #later(): void {
    this.#viewChanged = true;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#send();
    }, this.#limits.delay);
  }

  #watch(work: () => Promise<void>): void {
    const done = new Promise<void>((resolve) => resolve(work())).then(
      () => {
        if (!this.#broken && this.#told) {
          this.#told = false;
          this.options.onMended?.();
        }
      },
      (error: unknown) => {
        this.#broken = true;
        if (!this.#told) this.options.onError?.(error);
        this.#told = true;
        this.#mend();
      },
    );
    this.#writing = Promise.all([this.#writing, done]).then(() => undefined);
  }

  #look(): ViewRecord {
    const { camera, scope, selection } = this.view;
    const { about, cameras } = this.options;
    return { scope, camera, cameras: [...(cameras?.() ?? [])], nodes: [...selection.nodes], groups: [...selection.groups], about: about?.() ?? {} };
  }
}

const names = new WeakMap<NodeDefs, string>();

/** What nodes there are, in short: another text is another list. */
export function namesOf(defs: NodeDefs): string {
  const known = names.get(defs) ?? String(fingerprint(defs));
  names.set(defs, known);
  return known;
}

function fingerprint(defs: NodeDefs): number {
  let hash = 5381;
  for (const def of defs.all()) {
    const text = `${def.name} ${sizeOf(def)} ${def.inputs.map(({ name }) => name).join()}`;
    for (let at = 0; at < text.length; at += 1) hash = (hash * 33 + text.charCodeAt(at)) | 0;
  }
  return hash;
}
