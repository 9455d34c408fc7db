/** What people do with the queue and its jobs: pause, hold, move, cancel, retry. What the server refuses is told in words. */
import { type Client, type Goal, HttpError, type Job, type PromptId, type Retried } from "../client";
import type { Jobs } from "./jobs.svelte";
import type { Popups } from "./popups.svelte";
import { messageOf } from "./words";
import { t } from "../words";

export interface QueueParts {
  readonly client: Client;
  readonly popups: Popups;
  readonly jobs: Jobs;
  /** Before a job is tried again: the name of this window, which is told how it goes. */
  readonly expect: () => string;
  /** Jobs were queued once more. */
  readonly again: (jobs: readonly Retried[]) => void;
}

export class Queue {
  #selected = $state.raw<ReadonlySet<PromptId>>(new Set());
  /** Waiting jobs that are marked, in the order of the queue. */
  readonly selected: readonly PromptId[] = $derived.by(() => this.parts.jobs.waiting.filter(({ id }) => this.#selected.has(id)).map(({ id }) => id));
  /** Where a choice of many began. */
  #anchor: PromptId | undefined;

  constructor(readonly parts: QueueParts) {}

  nameOf(job: Pick<Job, "id">): string {
    return this.parts.jobs.nameOf(job.id) ?? t("queue.another-client");
  }

  // Which ones

  isSelected(id: PromptId): boolean {
    return this.#selected.has(id);
  }

  /** Mark a waiting job, or take its mark away; with `range` all from the last one to this. */
  select(id: PromptId, options: { readonly range?: boolean } = {}): void {
    const ids = this.parts.jobs.waiting.map((job) => job.id);
    const [from, to] = [this.#anchor === undefined ? -1 : ids.indexOf(this.#anchor), ids.indexOf(id)].sort((a, b) => a - b) as [number, number];
    const next = new Set(this.selected);
    if (options.range === true && from >= 0) for (const each of ids.slice(from, to + 1)) next.add(each);
    else if (!next.delete(id)) next.add(id);
    this.#anchor = id;
    this.#selected = next;
  }

  selectAll(): void {
    this.#selected = new Set(this.parts.jobs.waiting.map(({ id }) => id));
  }

  selectNone(): void {
    this.#selected = new Set();
  }

  /** A job, or all marked ones if it is one of them. */
  withSelected(id: PromptId): readonly PromptId[] {
    return this.isSelected(id) ? this.selected : [id];
  }

  // What to do

  async pause(paused: boolean): Promise<void> {
    await this.#do(() => this.parts.client.pauseQueue(paused));
  }

  async hold(ids: readonly PromptId[], held: boolean): Promise<void> {
    await this.#do(async () => {
      const changed = await this.parts.client.holdJobs(ids, held);
      if (changed.length === 0) this.#tellLate(ids);
    });
  }

  async move(ids: readonly PromptId[], goal: Goal): Promise<void> {
    await this.#do(async () => {
      const moved = await this.parts.client.moveJobs(ids, goal);
      if (moved.length === 0) this.#tellLate(ids);
    });
  }

  /** One place up or down. */
  async step(id: PromptId, by: 1 | -1): Promise<void> {
    const { waiting } = this.parts.jobs;
    const neighbour = waiting[waiting.findIndex((job) => job.id === id) + by];
    if (neighbour) await this.move([id], by < 0 ? { before: neighbour.id } : { after: neighbour.id });
  }

  /** No question before: it can be put back. */
  async cancel(ids: readonly PromptId[]): Promise<void> {
    await this.#do(async () => {
      if (!(await this.parts.client.cancelJobs(ids))) return this.#tellLate(ids);
      const [first] = ids;
      const words = ids.length === 1 && first !== undefined ? t("queue.was-cancelled", { name: this.nameOf({ id: first }) }) : t("queue.were-cancelled", { count: ids.length });
      this.parts.popups.tell(words, { action: { label: t("queue.put-back"), run: () => void this.retry(ids) } });
    });
  }

  /** Everything that waits, also what no panel shows. */
  async cancelWaiting(): Promise<void> {
    await this.#do(async () => {
      const { jobs } = await this.parts.client.jobs({ status: ["pending"] });
      if (jobs.length > 0) await this.cancel(jobs.map(({ id }) => id));
    });
  }

  /** Queue jobs once more that are over, or all failed ones. What they finished is not done again. */
  async retry(ids?: readonly PromptId[]): Promise<void> {
    await this.#do(async () => {
      const queued = await this.parts.client.retryJobs(ids, this.parts.expect());
      if (queued.length === 0) return this.parts.popups.tell(t("queue.nothing-failed"));
      this.parts.again(queued);
    });
  }

  /** Take jobs that are over out of the history. Their files stay. */
  async forget(ids: readonly PromptId[]): Promise<void> {
    await this.#do(() => this.parts.client.removeHistory(ids));
  }

  async #do(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.parts.popups.tell(this.#inWords(error), { bad: true });
    }
    await this.parts.jobs.refresh();
  }

  /** The server names jobs by ids that nobody here has seen. */
  #inWords(error: unknown): string {
    const message = messageOf(error);
    if (!(error instanceof HttpError) || error.status === 0) return message;
    return message.replace(/\b[0-9a-f]{8}-[0-9a-f-]{27}\b/g, (id) => this.parts.jobs.nameOf(id) ?? t("queue.of-another"));
  }

  #tellLate(ids: readonly PromptId[]): void {
    const [first] = ids;
    this.parts.popups.tell(ids.length === 1 && first !== undefined ? t("queue.late", { name: this.nameOf({ id: first }) }) : t("queue.late-all"));
  }
}
