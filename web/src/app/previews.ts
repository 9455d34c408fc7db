/** Previews as pictures: at most one a frame and node, the newest. What came between is never made into a picture. */
import { SvelteMap } from "svelte/reactivity";
import type { NodeRun } from "../client";

type Preview = NonNullable<NodeRun["preview"]>;

export class Previews {
  /** Addresses of pictures by node. */
  readonly urls = new SvelteMap<string, string>();
  readonly #next = new Map<string, Preview>();
  #asked = false;

  /** @returns whether it is the node's first, which is shown at once. */
  take(key: string, preview: Preview): boolean {
    if (!this.urls.has(key)) {
      this.#put(key, preview);
      return true;
    }
    this.#next.set(key, preview);
    if (!this.#asked) requestAnimationFrame(() => this.#flush());
    this.#asked = true;
    return false;
  }

  drop(key: string): void {
    this.#next.delete(key);
    const url = this.urls.get(key);
    if (url !== undefined) URL.revokeObjectURL(url);
    this.urls.delete(key);
  }

  end(): void {
    this.#next.clear();
    for (const url of this.urls.values()) URL.revokeObjectURL(url);
  }

  #flush(): void {
    this.#asked = false;
    for (const [key, preview] of this.#next) this.#put(key, preview);
    this.#next.clear();
  }

  #put(key: string, { bytes, mime }: Preview): void {
    const before = this.urls.get(key);
    if (before !== undefined) URL.revokeObjectURL(before);
    this.urls.set(key, URL.createObjectURL(new Blob([bytes], { type: mime })));
  }
}
