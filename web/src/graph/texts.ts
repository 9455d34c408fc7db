/** Texts in the browser by key: which window holds what, and documents as they were kept before there were journals. */
import type { NodeDefs } from "./defs";
import { parseJson } from "./json";
import type { GraphId, JsonObject, JsonValue } from "./types";
import { ROOT } from "./types";
import { isObject } from "./values";
import { type ParsedWorkflow, parseWorkflow } from "./workflow/parse";

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
