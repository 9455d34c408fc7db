/** What nodes of the root show: results of their last runs, and previews of the one that goes on. */
import { SvelteMap } from "svelte/reactivity";
import type { FileRef, NodeRun, PromptId, Run } from "../client";
import { type JsonObject, stringifyJson } from "../graph";
import { picturesOf, sameBefore, seedBefore } from "./pictures";
import { Previews } from "./previews";

/** What a node shows of its last results. */
export interface Shown {
  readonly files: readonly FileRef[];
  readonly seed: string | undefined;
  /** Gets past the browser's cache. */
  readonly run: PromptId;
}

export class Showing {
  /** By node. */
  readonly results = new SvelteMap<string, Shown>();
  readonly #previews = new Previews();
  readonly previews = this.#previews.urls;
  /** Height by width of what a node shows. */
  readonly ratios = new SvelteMap<string, number>();
  /** Which run a preview is of. */
  readonly #previewed = new Map<string, PromptId>();

  constructor(
    /** What was sent, by run. */
    readonly prompts: ReadonlyMap<PromptId, JsonObject>,
  ) {}

  end(): void {
    this.#previews.end();
  }

  /** Show files that no run has told of. */
  put(key: string, files: readonly FileRef[]): void {
    this.#previews.drop(key);
    this.results.set(key, { files, seed: undefined, run: this.results.get(key)?.run ?? "" });
  }

  /** Show the newest preview. It stays when the run is over, so that nothing moves. @returns whether the node needs another room. */
  take(key: string, run: Run | undefined, old: NodeRun | undefined, now: NodeRun | undefined): boolean {
    let redrawn = false;
    if (now?.preview && old?.preview !== now.preview) {
      redrawn = this.#previews.take(key, now.preview);
      if (run) this.#previewed.set(key, run.id);
    }
    if (now?.state === "cached" && this.previews.has(key) && !this.#isPreviewOf(run, key)) {
      this.#previews.drop(key);
      redrawn = true;
    }
    if (now?.output && now.output !== old?.output && run) {
      const files = picturesOf(now.output);
      const before = this.results.get(key);
      if (files.length > 0) {
        this.#previews.drop(key);
        const same = before && stringifyJson(before.files as never) === stringifyJson(files as never);
        const seed = seedBefore(this.prompts.get(run.id) ?? {}, key);
        if (!same) this.results.set(key, { files, seed, run: run.id });
      }
      redrawn ||= files.length !== (before?.files.length ?? 0);
    }
    return redrawn;
  }

  /** Whether a preview shows what this run found in the cache: nothing before the node has changed since. */
  #isPreviewOf(run: Run | undefined, key: string): boolean {
    const made = this.prompts.get(this.#previewed.get(key) ?? "");
    const now = run && this.prompts.get(run.id);
    return made !== undefined && now !== undefined && sameBefore(made, now, key);
  }
}
