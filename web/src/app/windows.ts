/** Which workflows are open in which window: no two windows ever write the same one, and none is left behind. */
import { type JsonValue, type ListedStorage, isArray, isObject, parseJson, stringifyJson } from "../graph";

export interface Tabs {
  readonly open: readonly string[];
  readonly active: string | null;
}

/** Names of which one window at a time can hold each; it holds them until it is gone, however it goes. */
export interface Claims {
  /** @param waitMs how long a window that is just leaving may take. @returns whether the name is ours now. */
  take(name: string, waitMs: number): Promise<boolean>;
}

const PREFIX = "window ";
/** Before windows were told apart there was one list for all. */
const OLD = "tabs";
const MINE = "weft.window";
const LEAVING_MS = 600;
const NOTHING: Tabs = { open: [], active: null };

export class Windows {
  #id = "";

  constructor(
    readonly storage: ListedStorage,
    readonly claims: Claims,
    /** Keeps this window's name across reloads: `sessionStorage`. */
    readonly session: Pick<Storage, "getItem" | "setItem">,
  ) {}

  /**
   * What this window shows: what it showed before it was loaded again, else what windows that are gone have left.
   * @returns `first`: no window of this browser has anything open.
   */
  async begin(): Promise<Tabs & { readonly first: boolean }> {
    const before = this.session.getItem(MINE);
    // A copied window brings its name along, but the window it was copied from still holds it.
    if (before !== null && (await this.claims.take(before, LEAVING_MS))) {
      this.#id = before;
      const tabs = await this.#read(PREFIX + before);
      if (tabs) return { ...tabs, first: false };
    } else {
      this.#id = crypto.randomUUID();
      this.session.setItem(MINE, this.#id);
      await this.claims.take(this.#id, 0);
    }
    const others = (await this.storage.keys()).filter((key) => key === OLD || key.startsWith(PREFIX));
    const left = await this.#inherit(others, before === null ? LEAVING_MS : 0);
    return { ...left, first: others.length === 0 };
  }

  async note(tabs: Tabs): Promise<void> {
    await this.storage.set(PREFIX + this.#id, stringifyJson({ open: tabs.open, active: tabs.active }));
  }

  /** Take over the lists of windows that are gone, all of them: ours is written before theirs are forgotten. */
  async #inherit(keys: readonly string[], waitMs: number): Promise<Tabs> {
    let taken: string[] = [];
    for (const wait of waitMs > 0 ? [0, waitMs] : [0]) {
      const free = await Promise.all(keys.map((key) => (key === OLD ? true : this.claims.take(key.slice(PREFIX.length), wait))));
      taken = keys.filter((_, index) => free[index]);
      if (taken.length > 0) break;
    }
    const lists = await Promise.all(taken.map((key) => this.#read(key)));
    const found = lists.filter((tabs) => tabs !== undefined);
    if (found.length === 0) return NOTHING;
    const all: Tabs = { open: [...new Set(found.flatMap(({ open }) => open))], active: found.at(-1)?.active ?? null };
    await this.note(all);
    for (const key of taken) await this.storage.remove(key);
    return all;
  }

  async #read(key: string): Promise<Tabs | undefined> {
    const text = await this.storage.get(key);
    if (text === undefined) return undefined;
    const tabs: JsonValue = parseJson(text);
    if (!isObject(tabs) || !isArray(tabs.open)) return undefined;
    return { open: tabs.open.map(String), active: typeof tabs.active === "string" ? tabs.active : null };
  }
}

/** By the browser's locks, which end with the window; where pages have none (plain HTTP), by asking the other windows. */
export function browserClaims(name: string): Claims {
  return "locks" in navigator ? new Locks(name) : new Asking(name);
}

class Locks implements Claims {
  constructor(readonly name: string) {}

  take(name: string, waitMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const ends = new AbortController();
      const timer = waitMs > 0 ? setTimeout(() => ends.abort(), waitMs) : undefined;
      const options = waitMs > 0 ? { signal: ends.signal } : { ifAvailable: true };
      navigator.locks
        .request(`${this.name} ${name}`, options, (lock) => {
          clearTimeout(timer);
          resolve(lock !== null);
          return lock ? new Promise<void>(() => undefined) : undefined;
        })
        .catch(() => resolve(false)); // somebody else kept it
    });
  }
}

const ANSWER_MS = 150;

class Asking implements Claims {
  readonly #held = new Set<string>();
  readonly #channel: BroadcastChannel;

  constructor(name: string) {
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }: MessageEvent<{ readonly asks?: string }>) => {
      if (data.asks !== undefined && this.#held.has(data.asks)) this.#channel.postMessage({ holds: data.asks });
    };
  }

  async take(name: string): Promise<boolean> {
    const held = await new Promise<boolean>((resolve) => {
      const heard = ({ data }: MessageEvent<{ readonly holds?: string }>): void => void (data.holds === name && resolve(true));
      this.#channel.addEventListener("message", heard);
      setTimeout(() => (this.#channel.removeEventListener("message", heard), resolve(false)), ANSWER_MS);
      this.#channel.postMessage({ asks: name });
    });
    if (!held) this.#held.add(name);
    return !held;
  }
}
