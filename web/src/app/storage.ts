/** The browser's storages, where it lets us: in private windows and under strict rules it may not. */
import type { ListedStorage } from "../graph";

type Small = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** `localStorage` or `sessionStorage`; where reaching for it is refused, one that lasts as long as the page. */
export function webStore(name: "localStorage" | "sessionStorage"): Small {
  try {
    return window[name];
  } catch {
    const texts = new Map<string, string>();
    return { getItem: (key) => texts.get(key) ?? null, setItem: (key, text) => void texts.set(key, text), removeItem: (key) => void texts.delete(key) };
  }
}

/** The same storage, and memory beside it for what it refuses; `refused` is told the first time. */
export function enduring(storage: ListedStorage, refused: (error: unknown) => void): ListedStorage {
  const texts = new Map<string, string>();
  let told = false;
  const attempt = async <T>(work: () => Promise<T>, otherwise: () => T): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (!told) refused(error);
      told = true;
      return otherwise();
    }
  };
  return {
    get: (key) => attempt(() => storage.get(key), () => texts.get(key)),
    set: (key, text) => attempt(() => storage.set(key, text), () => void texts.set(key, text)),
    remove: (key) => (texts.delete(key), attempt(() => storage.remove(key), () => undefined)),
    keys: () => attempt(() => storage.keys(), () => [...texts.keys()]),
  };
}
