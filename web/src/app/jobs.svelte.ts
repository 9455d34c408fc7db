/** What runs, what waits, what is done: the queue and today's pictures, as the server knows them. */
import { tick } from "svelte";
import { seedBefore } from "./pictures";
import type { Client, Job, PromptId } from "../client";
import type { JsonObject } from "../graph";

const SOON_MS = 150;
const RECENT = 60;

export class Jobs {
  running = $state.raw<readonly Job[]>([]);
  waiting = $state.raw<readonly Job[]>([]);
  /** The newest first. */
  ended = $state.raw<readonly Job[]>([]);
  #names = $state.raw<ReadonlyMap<PromptId, string>>(new Map());
  readonly #seeds = new Map<PromptId, string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly client: Client) {}

  /** A run that was asked for here. */
  note(id: PromptId, name: string, prompt: JsonObject): void {
    this.#names = new Map(this.#names).set(id, name);
    const seed = Object.keys(prompt).map((node) => seedBefore(prompt, node)).find((found) => found !== undefined);
    if (seed !== undefined) this.#seeds.set(id, seed);
  }

  nameOf(id: PromptId): string | undefined {
    return this.#names.get(id);
  }

  seedOf(id: PromptId): string | undefined {
    return this.#seeds.get(id);
  }

  /** Ask the server, once for many changes. */
  soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.refresh();
    }, SOON_MS);
  }

  async refresh(): Promise<void> {
    try {
      const [open, ended] = await Promise.all([
        this.client.jobs({ status: ["in_progress", "pending"], limit: 200, offset: 0 }),
        this.client.jobs({ status: ["completed", "failed", "cancelled"], limit: RECENT, offset: 0 }),
      ]);
      this.running = open.jobs.filter((job) => job.status === "in_progress");
      this.waiting = open.jobs.filter((job) => job.status === "pending");
      this.ended = ended.jobs;
    } catch {
      // The line is down: what was known stays, and is asked for again when it is back.
    }
  }

  /** After the page has drawn what was just changed. */
  later(work: () => void): void {
    void tick().then(() => requestAnimationFrame(work));
  }
}
