/** What became of the scripts of each pack: which ran, which failed, and what they want that is not supported. */

export interface ScriptReport {
  /** Scripts that were loaded. */
  readonly loaded: number;
  /** What went wrong, in words: a script that could not be loaded, a hook that threw. */
  readonly failures: readonly string[];
  /** Names of what the pack uses and we do not support. */
  readonly unsupported: readonly string[];
}

interface Entry {
  loaded: number;
  readonly failures: Set<string>;
  readonly unsupported: Set<string>;
}

/** So many failures of one pack are kept. */
const MOST = 50;

export class Reports {
  readonly #packs = new Map<string, Entry>();
  /** Told whenever a report changes. */
  changed: () => void = () => {};

  loaded(pack: string): void {
    this.#of(pack).loaded += 1;
    this.changed();
  }

  /** Something of the pack threw: told in the console each time, kept once. */
  failed(pack: string, what: string, error: unknown): void {
    console.error(`Pack ${pack}: ${what} failed.`, error);
    const { failures } = this.#of(pack);
    if (failures.size < MOST) failures.add(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    this.changed();
  }

  /** The pack uses what we do not have: told once. */
  unsupported(name: string, pack = packNow()): void {
    const { unsupported } = this.#of(pack);
    if (unsupported.has(name)) return;
    unsupported.add(name);
    console.warn(`Pack ${pack} uses ${name}, which Weft does not support: that part of it does nothing.`);
    this.changed();
  }

  of(pack: string): ScriptReport | undefined {
    const entry = this.#packs.get(pack);
    return entry && { loaded: entry.loaded, failures: [...entry.failures], unsupported: [...entry.unsupported] };
  }

  all(): Readonly<Record<string, ScriptReport>> {
    return Object.fromEntries([...this.#packs.keys()].flatMap((pack) => {
      const report = this.of(pack);
      return report ? [[pack, report]] : [];
    }));
  }

  #of(pack: string): Entry {
    let entry = this.#packs.get(pack);
    if (!entry) this.#packs.set(pack, (entry = { loaded: 0, failures: new Set(), unsupported: new Set() }));
    return entry;
  }
}

/** Which pack's script is running: the nearest one on the stack. */
export function packNow(): string {
  return packIn(new Error().stack ?? "") ?? "(unknown)";
}

export function packIn(stack: string): string | undefined {
  const found = /\/extensions\/([^/\s]+)\//.exec(stack)?.[1];
  return found === undefined || found === "core" ? undefined : decodeURIComponent(found);
}
