/** Calls into scripts of packs. What they throw is told and goes no further. */
import type { Loose, Open } from "./loose";
import { type Reports, packIn } from "./report";

export class Guard {
  constructor(readonly reports: Reports) {}

  /** @returns what it returned; undefined if it is no function, or threw. */
  call(owner: Open, name: string, ...args: Loose[]): Loose {
    const work: Loose = owner[name];
    if (typeof work !== "function") return undefined;
    return this.run(() => work.apply(owner, args), name, owner);
  }

  /** @param owner a node or extension, to tell whose script it is. */
  run(work: () => Loose, what: string, owner?: Open): Loose {
    try {
      const result: Loose = work();
      if (result instanceof Promise) result.catch((error: unknown) => this.reports.failed(this.#pack(owner, error), what, error));
      return result;
    } catch (error) {
      this.reports.failed(this.#pack(owner, error), what, error);
      return undefined;
    }
  }

  #pack(owner: Open | undefined, error: unknown): string {
    const told = error instanceof Error ? packIn(error.stack ?? "") : undefined;
    const module: unknown = (owner?.constructor as Loose)?.nodeData?.python_module;
    return told ?? (typeof module === "string" && module.startsWith("custom_nodes.") ? module.slice(13) : (owner?.name ?? "(unknown)"));
  }
}
