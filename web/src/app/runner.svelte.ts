/** Asking for runs, and telling each workflow how its own go. */
import { type Client, type Connection, type Events, HttpError, NO_RUNS, type QueueAnswer, type PromptId, type Retried, type Run, type RunEvent, type Runs, recollect, reduce, resync } from "../client";
import { type JsonObject, type NodeId, type Prompt, applyControls, targetsOf, toPrompt } from "../graph";
import type { Editor } from "./editor.svelte";
import type { Built, Extensions, RunOptions } from "./extending";
import type { Jobs } from "./jobs.svelte";
import type { Popups } from "./popups.svelte";
import { messageOf } from "./words";
import { t } from "../words";

export interface RunnerParts {
  readonly client: Client;
  readonly events: Events;
  readonly popups: Popups;
  readonly jobs: Jobs;
  readonly editors: () => readonly Editor[];
  /** The server is back after it did not answer. */
  readonly back: () => void;
  /** Scripts of packs, which have a hand in what is sent. */
  readonly extensions: () => Extensions | undefined;
}

const OF_RUNS = ["execution_start", "execution_cached", "executing", "progress", "progress_state", "executed", "execution_success", "execution_error", "execution_interrupted", "node_started", "node_progress", "node_finished", "node_failed", "node_blocked"] as const;

/** Runs that are over and asked for after a reload, until one of them ran. */
const NEWEST = 5;

/** Whether it came as far as to run. */
function hasRun(run: Run | undefined): boolean {
  return run !== undefined && run.phase !== "waiting" && !(run.phase === "stopped" && run.nodes.size === 0);
}

export class Runner {
  runs = $state.raw<Runs>(NO_RUNS);
  connection = $state<Connection>("connecting");
  /** Runs that one press of Run asks for. */
  batch = $state(1);
  sending = $state(false);

  constructor(readonly parts: RunnerParts) {}

  get running(): boolean {
    return [...this.runs.runs.values()].some((run) => run.phase === "running") || this.parts.jobs.running.length > 0;
  }

  /** How many wait behind what runs. */
  get waiting(): number {
    return Math.max(0, this.runs.queueRemaining - (this.running ? 1 : 0));
  }

  listen(): void {
    const { events, jobs } = this.parts;
    events.on("connection", (connection) => (this.connection = connection));
    events.on("reconnected", ({ missed }) => void this.#comeBack(missed));
    events.on("preview", (data) => this.#reduce({ type: "preview", data }));
    events.on("status", (data) => {
      this.#reduce({ type: "status", data });
      jobs.soon();
    });
    events.on("queue_changed", ({ paused, change, prompt_ids }) => {
      jobs.paused = paused;
      jobs.soon();
      void this.#seeEnd(change, prompt_ids);
    });
    for (const type of OF_RUNS) events.on(type, (data) => this.#reduce({ type, data } as RunEvent));
    events.open();
  }

  /** As many runs as the batch says; the first that is refused ends it. @returns how many were queued. */
  async run(editor: Editor, options: RunOptions = {}): Promise<number> {
    const extensions = this.parts.extensions();
    return extensions ? extensions.run(editor, options, (wanted) => this.runHere(editor, wanted)) : this.runHere(editor, options);
  }

  /** The same, where scripts have had their say. */
  async runHere(editor: Editor, options: RunOptions = {}): Promise<number> {
    if (this.sending) return 0;
    this.sending = true;
    let queued = 0;
    try {
      await Promise.all([...editor.beforeRun].map((work) => work()));
      while (queued < this.batch && (await this.#queue(editor, options.front === true, options.only))) queued += 1;
    } catch (error) {
      this.#fail(error);
    } finally {
      this.sending = false;
    }
    return queued;
  }

  async stop(): Promise<void> {
    await this.parts.client.interrupt().catch((error: unknown) => this.#fail(error));
  }

  /** Jobs that were tried again belong to the workflows of the first try. */
  again(retried: readonly Retried[]): void {
    const { editors, jobs } = this.parts;
    for (const { prompt_id, retry_of } of retried) {
      const owner = editors().find((editor) => editor.prompts.has(retry_of));
      const prompt = owner?.prompts.get(retry_of);
      if (!owner || !prompt) continue;
      owner.began(prompt_id, prompt);
      jobs.note(prompt_id, jobs.nameOf(retry_of) ?? owner.name, prompt);
      this.#reduce({ type: "queued", data: { prompt_id, node_errors: {} } });
      if (Object.keys(prompt).length === 0) void this.#recallOne(owner, prompt_id).catch((error: unknown) => this.#fail(error));
    }
  }

  /** Runs of a workflow that began before the page was loaded again: how the last one went, and those that are not over. */
  async recall(editor: Editor, runs: readonly PromptId[]): Promise<void> {
    try {
      const { jobs } = await this.parts.client.jobs({ status: ["in_progress", "pending"] });
      const alive = new Set(jobs.map(({ id }) => id));
      const [over, open] = [runs.filter((id) => !alive.has(id)), runs.filter((id) => alive.has(id))];
      for (const id of over) editor.prompts.set(id, {}); // one may be tried again; what it was is asked for then
      // In their order: a run of a part leaves the pictures of those before it where it made none.
      const last = over.slice(-NEWEST);
      for (const event of await Promise.all(last.map((id) => this.#told(editor, id)))) if (event) this.#reduce(event);
      for (const run of last.map((id) => this.runs.runs.get(id))) if (hasRun(run)) editor.follow(run);
      for (const id of open) await this.#recallOne(editor, id);
    } catch {
      // Its pictures are in the history still: only the canvas does not show them.
    }
  }

  async #recallOne(editor: Editor, id: PromptId): Promise<void> {
    const event = await this.#told(editor, id);
    if (event) this.#reduce(event);
  }

  /** How a run stands, as the server knows it; undefined for one that it knows no more. */
  async #told(editor: Editor, id: PromptId): Promise<RunEvent | undefined> {
    const { client } = this.parts;
    const job = await client.job(id).catch((error: unknown) => {
      if (error instanceof HttpError && error.status === 404) return undefined;
      throw error;
    });
    if (!job) {
      editor.prompts.delete(id);
      return undefined;
    }
    editor.prompts.set(id, job.workflow?.prompt ?? {});
    const over = job.status !== "pending" && job.status !== "in_progress";
    return over && !this.#isOver(id) ? recollect(client, id) : { type: "queued", data: { prompt_id: id, node_errors: {} } };
  }

  /** Jobs that ended before they ran, or of which another window is told: here only the end is seen. */
  async #seeEnd(change: string, ids: readonly PromptId[]): Promise<void> {
    for (const id of ids) {
      const owner = this.parts.editors().find((editor) => editor.prompts.has(id));
      if (!owner || this.#isOver(id)) continue;
      if (change === "cancelled" || change === "removed") this.#reduce({ type: "forgotten", data: { prompt_id: id } });
      else if (change === "ended") await this.#recallOne(owner, id).catch(() => {}); // its pictures are in the history still
    }
  }

  #isOver(id: PromptId): boolean {
    const phase = this.runs.runs.get(id)?.phase;
    return phase === "done" || phase === "failed" || phase === "stopped";
  }

  /** Before a job is queued that this window is to be told about. @returns the window's name. */
  expect(): string {
    const { events } = this.parts;
    const open = [...this.runs.runs.values()].some(({ phase }) => phase === "waiting" || phase === "running");
    if (!open) events.mark();
    return events.clientId;
  }

  async #queue(editor: Editor, front: boolean, only?: readonly NodeId[]): Promise<boolean> {
    const { document } = editor;
    const { client, popups, jobs } = this.parts;
    const extensions = this.parts.extensions();
    const built: Built | undefined = await extensions?.build();
    const { prompt, workflow } = built ? { prompt: built.output as Prompt, workflow: built.workflow as JsonObject } : toPrompt(document.state, document.defs);
    if (Object.keys(prompt).length === 0) {
      popups.tell(t("queue.nothing-to-run"), { bad: true });
      return false;
    }
    const targets = only && targetsOf(prompt, only.map((id) => editor.executionId(id)), (type) => document.defs.get(type)?.isOutput === true);
    if (targets?.length === 0) {
      popups.tell(t("queue.nothing-leads"), { bad: true });
      return false;
    }
    let sent = prompt;
    const post = async (output: Prompt, drawn: JsonObject): Promise<QueueAnswer> => {
      sent = output;
      return client.queuePrompt({
        client_id: this.expect(),
        prompt: output,
        extra_data: { extra_pnginfo: { workflow: drawn }, weft_name: editor.name },
        ...(front && { front }),
        ...(targets && { partial_execution_targets: targets }),
      });
    };
    const answer = extensions && built ? await this.#throughPacks(extensions, front, built, post) : await post(prompt, workflow);
    if (!answer) return false;
    if (!answer.accepted) {
      this.#reduce({ type: "refused", data: answer });
      editor.refuse(this.runs.faults);
      this.#tellRefusal(editor, answer.error.message, answer.error.details);
      return false;
    }
    editor.began(answer.prompt_id, sent);
    jobs.note(answer.prompt_id, editor.name, sent);
    this.#reduce({ type: "queued", data: { prompt_id: answer.prompt_id, node_errors: answer.node_errors } });
    editor.refuse(this.runs.faults);
    document.executeQuietly(applyControls(Math.random));
    return true;
  }

  /** Through `api.queuePrompt`, which scripts wrap. @returns undefined if one of them did not let it through. */
  async #throughPacks(extensions: Extensions, front: boolean, built: Built, post: (output: Prompt, workflow: JsonObject) => Promise<QueueAnswer>): Promise<QueueAnswer | undefined> {
    let answer: QueueAnswer | undefined;
    await extensions.send(front ? -1 : 0, built, async ({ output, workflow }) => {
      answer = await post(output as Prompt, workflow as JsonObject);
      return answer;
    });
    return answer;
  }

  #tellRefusal(editor: Editor, message: string, details: string): void {
    const { popups } = this.parts;
    const count = editor.faults.size;
    const [first] = editor.faults.keys();
    const id = first === undefined ? undefined : editor.nodeId(first);
    if (id === undefined) return popups.tell(`${message}. ${count === 0 ? details : ""}`.trim(), { bad: true });
    const words = t("queue.refused", { count });
    const run = (): void => {
      editor.view.select([id]);
      editor.stage.fit([id]);
    };
    popups.tell(words, { bad: true, action: { label: t("queue.show-it"), run } });
  }

  /** What was missed has to be asked for, unless the server tells it again. */
  async #comeBack(missed: boolean): Promise<void> {
    if (missed) for (const event of await resync(this.parts.client, this.runs).catch(() => [])) this.#reduce(event);
    this.parts.jobs.soon();
    this.parts.back();
  }

  #reduce(event: RunEvent): void {
    this.runs = reduce(this.runs, event, performance.now());
    for (const editor of this.parts.editors()) {
      const last = [...editor.prompts.keys()].reverse().map((id) => this.runs.runs.get(id));
      editor.follow(last.find(hasRun) ?? editor.run);
    }
    if (event.type === "execution_success" || event.type === "execution_error" || event.type === "execution_interrupted") this.parts.jobs.soon();
    if (event.type === "execution_error" && !event.data.node_id) this.parts.popups.tell(event.data.exception_message, { bad: true });
  }

  #fail(error: unknown): void {
    this.parts.popups.tell(messageOf(error), { bad: true });
  }
}
