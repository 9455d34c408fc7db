/** What runs, what waits, what is done: the queue and today's pictures, as the server knows them. */
import { tick } from "svelte";
import { seedBefore } from "./pictures";
import type { Client, Job, PromptId } from "../client";
import type { JsonObject } from "../graph";

const SOON_MS = 150;
const RECENT = 60;
/** The longest queue of which every job is shown. */
const LONGEST = 500;
/** So many of a kind are asked for their names at a time; a panel shows fewer. */
const NAMED = 24;

/** What the server's lists do not tell of a job. */
interface Facts {
  readonly name: string | undefined;
  readonly seed: string | undefined;
}

export class Jobs {
  running = $state.raw<readonly Job[]>([]);
  /** The next one first. */
  waiting = $state.raw<readonly Job[]>([]);
  /** How many wait, also where only the first are listed. */
  waitingCount = $state(0);
  /** The newest first. */
  ended = $state.raw<readonly Job[]>([]);
  /** No job begins until somebody lets the queue go on. */
  paused = $state(false);
  /** Those that failed or were cancelled, as far as nobody tried them again. */
  readonly unfinished = $derived.by(() => {
    const retried = new Set([...this.running, ...this.waiting, ...this.ended].map((job) => job.retry_of));
    return this.ended.filter((job) => (job.status === "failed" || job.status === "cancelled") && !retried.has(job.id));
  });
  #facts = $state.raw<ReadonlyMap<PromptId, Facts>>(new Map());
  readonly #asked = new Set<PromptId>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly client: Client) {}

  /** A run that was asked for here. */
  note(id: PromptId, name: string | undefined, prompt: JsonObject): void {
    const seed = Object.keys(prompt).map((node) => seedBefore(prompt, node)).find((found) => found !== undefined);
    this.#asked.add(id);
    this.#facts = new Map(this.#facts).set(id, { name, seed });
  }

  nameOf(id: PromptId): string | undefined {
    return this.#facts.get(id)?.name;
  }

  seedOf(id: PromptId): string | undefined {
    return this.#facts.get(id)?.seed;
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
      const [open, ended, status] = await Promise.all([
        this.client.jobs({ status: ["in_progress", "pending"], oldestFirst: true, limit: LONGEST, offset: 0 }),
        this.client.jobs({ status: ["completed", "failed", "cancelled"], limit: RECENT, offset: 0 }),
        this.client.status().catch(() => undefined), // a server that is not ours cannot pause
      ]);
      this.running = open.jobs.filter((job) => job.status === "in_progress");
      this.waiting = open.jobs.filter((job) => job.status === "pending").sort((a, b) => a.priority - b.priority || a.create_time - b.create_time);
      this.waitingCount = open.pagination.total - this.running.length;
      this.ended = ended.jobs;
      this.paused = status?.queue_paused === true;
    } catch {
      return; // The line is down: what was known stays, and is asked for again when it is back.
    }
    await this.#askNames();
  }

  /** After the page has drawn what was just changed. */
  later(work: () => void): void {
    void tick().then(() => requestAnimationFrame(work));
  }

  /** Jobs that another window queued, or this one before it was loaded again: each is asked for once. */
  async #askNames(): Promise<void> {
    const shown = [...this.running, ...this.waiting.slice(0, NAMED), ...this.unfinished.slice(0, NAMED)];
    const strange = shown.filter((job) => !this.#asked.has(job.id));
    for (const { id } of strange) this.#asked.add(id);
    await Promise.all(strange.map(({ id }) => this.#askName(id)));
  }

  async #askName(id: PromptId): Promise<void> {
    try {
      const { workflow } = await this.client.job(id);
      const name = workflow?.extra_data.weft_name;
      this.note(id, typeof name === "string" ? name : undefined, workflow?.prompt ?? {});
    } catch {
      this.#asked.delete(id); // it is gone, or the line is down
    }
  }
}
