/** Where journals lie in IndexedDB. One transaction is one write: all of it is there after a crash, or nothing. */
import type { Entry, Snapshot, ViewRecord } from "./entries";

export interface Kept {
  readonly snapshot: Snapshot | undefined;
  /** In order, with their numbers. */
  readonly entries: readonly (readonly [number, Entry])[];
  readonly view: ViewRecord | undefined;
}

/** A place for the journals of many documents, each under a key of its own. */
export interface JournalStore {
  /** Wait until writes begin in the task that asks for them. */
  ready(): Promise<void>;
  /** The first entry has number `first`. */
  append(key: string, first: number, entries: readonly Entry[], view: ViewRecord): Promise<void>;
  /** In place of all entries up to the snapshot's last. */
  replace(key: string, snapshot: Snapshot, view: ViewRecord): Promise<void>;
  look(key: string, view: ViewRecord): Promise<void>;
  read(key: string): Promise<Kept>;
  remove(key: string): Promise<void>;
}

const [SNAPSHOTS, ENTRIES, VIEWS] = ["snapshots", "entries", "views"];

export class BrowserJournals implements JournalStore {
  #database: IDBDatabase | undefined;
  #opening: Promise<IDBDatabase> | undefined;

  constructor(
    readonly factory: IDBFactory,
    readonly name: string,
  ) {}

  async ready(): Promise<void> {
    await this.#open();
  }

  append(key: string, first: number, entries: readonly Entry[], view: ViewRecord): Promise<void> {
    return this.#write([ENTRIES, VIEWS], (transaction) => {
      const store = transaction.objectStore(ENTRIES);
      for (const [index, entry] of entries.entries()) store.put(entry, [key, first + index]);
      transaction.objectStore(VIEWS).put(view, key);
    });
  }

  replace(key: string, snapshot: Snapshot, view: ViewRecord): Promise<void> {
    return this.#write([SNAPSHOTS, ENTRIES, VIEWS], (transaction) => {
      transaction.objectStore(SNAPSHOTS).put(snapshot, key);
      transaction.objectStore(ENTRIES).delete(IDBKeyRange.bound([key, 0], [key, snapshot.last]));
      transaction.objectStore(VIEWS).put(view, key);
    });
  }

  look(key: string, view: ViewRecord): Promise<void> {
    return this.#write([VIEWS], (transaction) => void transaction.objectStore(VIEWS).put(view, key));
  }

  remove(key: string): Promise<void> {
    return this.#write([SNAPSHOTS, ENTRIES, VIEWS], (transaction) => {
      transaction.objectStore(SNAPSHOTS).delete(key);
      transaction.objectStore(ENTRIES).delete(all(key));
      transaction.objectStore(VIEWS).delete(key);
    });
  }

  async read(key: string): Promise<Kept> {
    const transaction = (await this.#open()).transaction([SNAPSHOTS, ENTRIES, VIEWS]);
    const snapshot = transaction.objectStore(SNAPSHOTS).get(key) as IDBRequest<Snapshot | undefined>;
    const view = transaction.objectStore(VIEWS).get(key) as IDBRequest<ViewRecord | undefined>;
    const keys = transaction.objectStore(ENTRIES).getAllKeys(all(key)) as unknown as IDBRequest<[string, number][]>;
    const entries = transaction.objectStore(ENTRIES).getAll(all(key)) as IDBRequest<Entry[]>;
    await ended(transaction);
    return { snapshot: snapshot.result, view: view.result, entries: entries.result.map((entry, index) => [keys.result[index]?.[1] ?? -1, entry]) };
  }

  /** The database is asked in the same task if it is open: what is asked for is on its way before a frame is painted. */
  async #write(stores: readonly string[], work: (transaction: IDBTransaction) => void): Promise<void> {
    const database = this.#database ?? (await this.#open());
    const transaction = database.transaction([...stores], "readwrite");
    try {
      work(transaction);
      transaction.commit();
    } catch (error) {
      transaction.abort();
      throw error;
    }
    return ended(transaction);
  }

  #open(): Promise<IDBDatabase> {
    this.#opening ??= new Promise<IDBDatabase>((resolve, reject) => {
      const request = this.factory.open(this.name, 1);
      request.onupgradeneeded = () => [SNAPSHOTS, ENTRIES, VIEWS].forEach((store) => request.result.createObjectStore(store));
      request.onsuccess = () => resolve(this.#use(request.result));
      request.onerror = () => reject(request.error);
      request.onblocked = () => reject(new Error("Another window holds the browser's storage."));
    }).catch((error: unknown) => {
      this.#opening = undefined; // the next write asks again
      throw error;
    });
    return this.#opening;
  }

  /** The browser may take it away (the person clears what sites keep): the next write opens another. */
  #use(database: IDBDatabase): IDBDatabase {
    const lost = (): void => {
      database.close();
      this.#database = this.#opening = undefined;
    };
    database.onclose = database.onversionchange = lost;
    this.#database = database;
    return database;
  }
}

function all(key: string): IDBKeyRange {
  return IDBKeyRange.bound([key, 0], [key, Infinity]);
}

function ended(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error("The browser's storage took nothing."));
  });
}
