/** Work kept across reloads: the document is written to a storage soon after each change. */
import type { NodeDefs } from "./defs";
import type { GraphDocument } from "./document";
import { parseJson, stringifyJson } from "./json";
import type { GraphId, JsonObject, JsonValue } from "./types";
import { ROOT } from "./types";
import { isObject } from "./values";
import type { EditorView } from "./view";
import { type ParsedWorkflow, parseWorkflow } from "./workflow/parse";
import { serialize } from "./workflow/serialize";

/** Where texts are kept by key: the browser's storage, or a map in tests. */
export interface TextStorage {
  get(key: string): Promise<string | undefined>;
  set(key: string, text: string): Promise<void>;
  remove(key: string): Promise<void>;
}

/** A storage that can say what it holds. */
export interface ListedStorage extends TextStorage {
  keys(): Promise<readonly string[]>;
}

export interface Saved extends ParsedWorkflow {
  /** The graph that was on screen. */
  readonly scope: GraphId;
  /** The file's name and what else the caller gave with it. */
  readonly about: JsonObject;
}

export interface AutosaveOptions {
  readonly storage: TextStorage;
  readonly key: string;
  /** Milliseconds after a change until it is written; further changes do not put it off. */
  readonly delayMs?: number;
  /** Small facts to keep beside the document, asked when writing. */
  readonly about?: () => JsonObject;
  /** Told when writing failed (storage full): the work is then in memory alone. */
  readonly onError?: (error: unknown) => void;
}

export class Autosave {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> = Promise.resolve();
  readonly #unsubscribe: (() => void)[];

  constructor(
    readonly document: GraphDocument,
    readonly view: EditorView,
    readonly options: AutosaveOptions,
  ) {
    this.#unsubscribe = [
      document.subscribe(() => this.soon()),
      view.subscribe((part) => part !== "selection" && this.soon()),
    ];
  }

  /** Something has changed, the facts beside the document perhaps. */
  soon(): void {
    this.#timer ??= setTimeout(() => this.#write(), this.options.delayMs ?? 300);
  }

  /** Write now what is not yet written (the page is about to be hidden). */
  async flush(): Promise<void> {
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer);
      this.#write();
    }
    await this.#writing;
  }

  /** Write no more. What waits is written first. */
  async stop(): Promise<void> {
    for (const end of this.#unsubscribe) end();
    await this.flush();
  }

  /** Writes follow each other: the last state is the one that stays. */
  #write(): void {
    this.#timer = undefined;
    const { storage, key, about, onError } = this.options;
    const workflow = serialize(this.document.state, this.document.defs, this.view.camera);
    const text = stringifyJson({ scope: this.view.scope, about: about?.() ?? {}, workflow });
    this.#writing = this.#writing.then(() => storage.set(key, text)).catch((error: unknown) => onError?.(error));
  }
}

/** What was saved under a key; undefined if nothing was, or if it cannot be read. */
export async function restoreSaved(storage: TextStorage, key: string, defs: NodeDefs): Promise<Saved | undefined> {
  const text = await storage.get(key);
  if (text === undefined) return undefined;
  try {
    return readSaved(parseJson(text), defs);
  } catch {
    return undefined; // written by an older version, or cut off: an empty canvas is better than none
  }
}

function readSaved(saved: JsonValue, defs: NodeDefs): Saved | undefined {
  if (!isObject(saved) || saved.workflow === undefined) return undefined;
  const parsed = parseWorkflow(saved.workflow, defs);
  const scope = typeof saved.scope === "string" && parsed.state.graphs.has(saved.scope) ? saved.scope : ROOT;
  return { ...parsed, scope, about: isObject(saved.about) ? saved.about : {} };
}

/** `localStorage` or `sessionStorage` as a storage. Writes are done when `set` returns: good while a page closes. */
export function webStorage(storage: Pick<Storage, "getItem" | "setItem" | "removeItem">): TextStorage {
  return {
    get: async (key) => storage.getItem(key) ?? undefined,
    set: async (key, text) => storage.setItem(key, text),
    remove: async (key) => storage.removeItem(key),
  };
}

const TABLE = "texts";

/** A storage in IndexedDB: room for many large documents. */
export function indexedDbStorage(factory: IDBFactory, database: string): ListedStorage {
  let opened: Promise<IDBDatabase> | undefined;
  const open = (): Promise<IDBDatabase> =>
    new Promise((resolve, reject) => {
      const request = factory.open(database, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(TABLE);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  const ask = async <T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> => {
    opened ??= open();
    const transaction = (await opened).transaction(TABLE, mode);
    const request = work(transaction.objectStore(TABLE));
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
      transaction.onerror = () => reject(transaction.error);
    });
  };
  return {
    get: (key) => ask<string | undefined>("readonly", (store) => store.get(key)),
    set: async (key, text) => void (await ask("readwrite", (store) => store.put(text, key))),
    keys: async () => (await ask("readonly", (store) => store.getAllKeys())).map(String),
    remove: async (key) => ask("readwrite", (store) => store.delete(key)),
  };
}
