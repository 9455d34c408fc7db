/** Names that a prompt may hold, and the list of them that stands at the caret while one writes. */
import { isArray } from "../graph";
import type { Completion, Known } from "../widgets/completion";
import type { App } from "./app.svelte";

/** The list that is open. `at`: page pixels of the caret's foot. */
export interface Offer {
  readonly at: readonly [number, number];
  readonly found: readonly Completion[];
  readonly pick: (choice: Completion) => void;
}

export class Completions {
  open = $state.raw<Offer | undefined>();
  index = $state(0);
  #embeddings: readonly string[] | undefined;

  constructor(readonly app: App) {}

  /** Read once, and again when lists are read again. */
  async known(): Promise<Known> {
    const widget = this.app.defs.get("LoraLoader")?.inputs.find(({ name }) => name === "lora_name")?.widget;
    const loras = widget?.kind === "combo" ? widget.options.map((name) => String(name).replace(/\.\w+$/, "")) : [];
    try {
      const told = this.#embeddings ?? (await this.app.client.get("embeddings"));
      this.#embeddings = isArray(told) ? told.map(String) : [];
    } catch {
      return { embeddings: [], loras }; // the line is down: asked for again at the next letter
    }
    return { embeddings: this.#embeddings, loras };
  }

  forget(): void {
    this.#embeddings = undefined;
  }

  show(offer: Offer): void {
    this.open = offer;
    this.index = 0;
  }

  close(): boolean {
    const was = this.open !== undefined;
    this.open = undefined;
    return was;
  }

  /** Keys of a text that has the list open. @returns whether it was one of the list's. */
  key(event: KeyboardEvent): boolean {
    const { open } = this;
    if (!open) return false;
    if (event.ctrlKey || event.metaKey || /^(ArrowLeft|ArrowRight|Home|End)$/.test(event.key)) {
      this.close();
      return false;
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) this.index = (this.index + step + open.found.length) % open.found.length;
    else if (event.key === "Enter" || event.key === "Tab") this.pick(this.index);
    else if (event.key === "Escape") this.close();
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  pick(index: number): void {
    const { open } = this;
    const choice = open?.found[index];
    this.close();
    if (choice) open?.pick(choice);
  }
}
