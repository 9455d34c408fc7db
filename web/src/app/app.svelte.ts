/** The app: the server, the open workflows, what runs. */
import { type Connection, Client, Events, HttpError, NO_RUNS, type PromptId, type RunEvent, type Runs, reduce, resync } from "../client";
import { Autosave, type DocumentState, type JsonObject, type JsonValue, NodeDefs, type NodeId, type Point, type TextStorage, applyControls, indexedDbStorage, isArray, isObject, openFile, openJson, parseJson, restoreSaved, serialize, setWidget, stringifyJson, toPrompt, widgetsOf } from "../graph";
import { beginWire } from "../canvas/wire";
import { isWorkflowText, pasteText } from "./actions";
import { Editor } from "./editor.svelte";
import { Jobs } from "./jobs.svelte";
import { Popups } from "./popups.svelte";
import { Preferences } from "./preferences.svelte";

/** A pack as the server loaded it, or could not. */
export interface PackReport {
  readonly name: string;
  readonly ok: boolean;
  readonly error: { readonly message: string; readonly hint: string; readonly traceback: string } | null;
  readonly nodes: readonly string[];
}

const TABS = "tabs";

export class App {
  readonly client: Client;
  readonly events: Events;
  readonly popups = new Popups();
  readonly preferences: Preferences;
  readonly jobs: Jobs;
  defs = $state.raw<NodeDefs>(new NodeDefs([]));
  packs = $state.raw<readonly PackReport[]>([]);
  editors = $state.raw<readonly Editor[]>([]);
  active = $state.raw<Editor | undefined>();
  runs = $state.raw<Runs>(NO_RUNS);
  connection = $state<Connection>("connecting");
  /** Why there is nothing to show yet. */
  trouble = $state<string | undefined>();
  ready = $state(false);
  /** Runs that one press of Run asks for. */
  batch = $state(1);
  sending = $state(false);
  /** The space bar is down: the pointer carries the canvas. */
  spaceHeld = false;
  pointer: { cancel(): boolean } | undefined;
  readonly #storage: TextStorage;
  readonly #autosaves = new Map<string, Autosave>();
  readonly #owners = new Map<PromptId, Editor>();

  constructor(base: string) {
    this.client = new Client({ base });
    this.events = new Events({ base, storage: sessionStorage });
    this.preferences = new Preferences(localStorage);
    this.jobs = new Jobs(this.client);
    this.#storage = indexedDbStorage(indexedDB, `weft ${new URL(base).pathname}`);
  }

  async start(): Promise<void> {
    this.#listen();
    this.events.open();
    await this.load();
  }

  /** Read what nodes there are, then open what was open. */
  async load(): Promise<void> {
    this.trouble = undefined;
    try {
      this.defs = await this.client.nodeDefs();
    } catch (error) {
      this.trouble = messageOf(error);
      return;
    }
    void this.#readPacks();
    await this.#restore();
    this.ready = true;
    void this.jobs.refresh();
  }

  /** Lists of files may have grown: read them again. */
  async refresh(): Promise<void> {
    try {
      this.defs = await this.client.nodeDefs();
      for (const { document, stage } of this.editors) {
        document.redefine(this.defs);
        stage.rebuild();
      }
      this.popups.tell("Lists read again");
    } catch (error) {
      this.fail(error);
    }
  }

  // Workflows

  newTab(begin: { readonly name?: string; readonly state?: DocumentState; readonly path?: string; readonly clean?: boolean } = {}): Editor {
    const editor = new Editor(crypto.randomUUID(), this.defs, { ...begin, name: begin.name ?? this.#freeName() });
    this.#adopt(editor);
    this.active = editor;
    void this.#noteTabs();
    return editor;
  }

  async closeTab(editor: Editor): Promise<void> {
    const at = this.editors.indexOf(editor);
    this.editors = this.editors.filter((other) => other !== editor);
    if (this.active === editor) this.active = this.editors[Math.min(at, this.editors.length - 1)];
    await this.#autosaves.get(editor.id)?.stop();
    this.#autosaves.delete(editor.id);
    if (editor.dirty && !editor.isEmpty) this.#offerBack(editor);
    await this.#storage.remove(editor.id);
    editor.end();
    if (this.editors.length === 0) this.newTab();
    await this.#noteTabs();
  }

  /** No question before: a closed workflow can be brought back. */
  #offerBack(editor: Editor): void {
    const { name, path } = editor;
    const { state } = editor.document;
    const run = (): void => void this.newTab({ name, state, clean: false, ...(path !== undefined && { path }) }).look(editor.view.camera);
    this.popups.tell(`${name} was closed unsaved`, { action: { label: "Bring it back", run } });
  }

  switchTo(editor: Editor): void {
    this.active = editor;
    void this.#noteTabs();
  }

  /** A file in a tab of its own; an empty tab is used. */
  async openFile(file: File): Promise<void> {
    try {
      const parsed = await openFile(new Uint8Array(await file.arrayBuffer()), this.defs);
      this.openState(parsed.state, file.name.replace(/\.\w+$/, ""), parsed.camera);
    } catch (error) {
      this.fail(error);
    }
  }

  openText(text: string, name: string, path?: string): void {
    try {
      const parsed = openJson(parseJson(text), this.defs);
      this.openState(parsed.state, name, parsed.camera, path);
    } catch (error) {
      this.fail(error);
    }
  }

  openState(state: DocumentState, name: string, camera?: Editor["view"]["camera"], path?: string): Editor {
    const spare = this.active?.isEmpty && !this.active.dirty ? this.active : undefined;
    const editor = this.newTab({ name, state, ...(path !== undefined && { path }) });
    if (spare) void this.closeTab(spare);
    this.jobs.later(() => editor.look(camera));
    return editor;
  }

  /** The workflow that made a run. */
  async openRun(id: PromptId): Promise<void> {
    try {
      const detail = await this.client.job(id);
      const extra = detail.workflow?.extra_data.extra_pnginfo;
      const workflow = isObject(extra) ? extra.workflow : undefined;
      const parsed = openJson(workflow ?? detail.workflow?.prompt ?? null, this.defs);
      this.openState(parsed.state, this.jobs.nameOf(id) ?? "From a picture", parsed.camera);
    } catch (error) {
      this.fail(error);
    }
  }

  serialized(editor: Editor): string {
    return stringifyJson(serialize(editor.document.state, editor.document.defs, editor.view.camera), 2);
  }

  #freeName(): string {
    const taken = new Set(this.editors.map((editor) => editor.name));
    for (let number = 1; ; number += 1) {
      const name = number === 1 ? "Untitled" : `Untitled ${number}`;
      if (!taken.has(name)) return name;
    }
  }

  #adopt(editor: Editor): void {
    this.editors = [...this.editors, editor];
    const onError = (error: unknown): void => this.popups.tell(`This work could not be kept in the browser: ${messageOf(error)}`, { bad: true });
    this.#autosaves.set(
      editor.id,
      new Autosave(editor.document, editor.view, { storage: this.#storage, key: editor.id, about: () => editor.about(), onError }),
    );
  }

  async #noteTabs(): Promise<void> {
    const tabs = { open: this.editors.map((editor) => editor.id), active: this.active?.id ?? null };
    await this.#storage.set(TABS, stringifyJson(tabs));
  }

  async #restore(): Promise<void> {
    const noted = await this.#storage.get(TABS);
    const tabs: JsonValue = noted === undefined ? null : parseJson(noted);
    const ids = isObject(tabs) && isArray(tabs.open) ? tabs.open.map(String) : [];
    for (const id of ids) {
      const saved = await restoreSaved(this.#storage, id, this.defs);
      if (!saved) continue;
      const { name, path, dirty, run } = saved.about;
      const begin = { name: typeof name === "string" ? name : "Untitled", state: saved.state, clean: dirty !== true, path: typeof path === "string" ? path : undefined };
      const editor = new Editor(id, this.defs, begin);
      if (saved.camera) editor.view.setCamera(saved.camera);
      this.#adopt(editor);
      if (isObject(tabs) && tabs.active === id) this.active = editor;
      if (typeof run === "string") void this.#recall(editor, run);
    }
    this.active ??= this.editors[0];
    if (!this.active) await this.#openDefault();
  }

  /** What a new person sees. */
  async #openDefault(): Promise<void> {
    try {
      const parsed = openJson(await this.client.get("weft/default_workflow"), this.defs);
      const editor = this.newTab({ name: "First picture", state: parsed.state });
      this.jobs.later(() => editor.look(undefined));
    } catch {
      this.newTab(); // an older server: an empty canvas says how to begin
    }
  }

  /** Results of the last run before the page was loaded again. */
  async #recall(editor: Editor, run: PromptId): Promise<void> {
    try {
      const entry = (await this.client.historyOf(run))[run];
      const prompt = entry?.prompt[2] ?? {};
      editor.prompts.set(run, prompt);
      this.#owners.set(run, editor);
      this.#reduce(entry ? { type: "history", data: { prompt_id: run, entry } } : { type: "queued", data: { prompt_id: run, node_errors: {} } });
    } catch {
      // Its pictures are in the history still: only the canvas does not show them.
    }
  }

  /** Write what is not yet written; the page may go. */
  async flush(): Promise<void> {
    await Promise.all([...this.#autosaves.values()].map((autosave) => autosave.flush()));
  }

  /** The small workflow that every beginning can start from. */
  async openTemplate(): Promise<void> {
    try {
      const parsed = openJson(await this.client.get("weft/default_workflow"), this.defs);
      this.openState(parsed.state, "Text to picture");
    } catch (error) {
      this.fail(error);
    }
  }

  /** Send files to where a node takes them from, and choose the last. */
  async uploadTo(editor: Editor, id: NodeId, files: Iterable<File>): Promise<void> {
    const { document, view, stage } = editor;
    const node = stage.graph.nodes.get(id);
    const entry = node && widgetsOf(document.defs, document.state, view.scope, node).find(({ widget }) => widget.kind === "combo" && widget.upload !== undefined);
    if (!entry) return;
    for (const file of files) {
      const { filename, subfolder } = await this.client.upload(file, file.name);
      const value = subfolder === "" ? filename : `${subfolder}/${filename}`;
      this.defs = await this.client.nodeDefs();
      for (const open of this.editors) open.document.redefine(this.defs);
      document.execute(setWidget(view.scope, id, entry.key, value));
      document.seal();
    }
  }

  /** Offer nodes whose output an input takes. */
  supply(editor: Editor, id: NodeId, input: string, near: DOMRect | undefined): void {
    const slot = editor.stage.graph.nodes.get(id)?.inputs.find(({ name }) => name === input);
    const box = editor.stage.layout.box(id);
    if (!slot || !box) return;
    const wire = beginWire(editor.stage.graph, { side: "input", node: id, input, type: slot.type });
    this.popups.show({ kind: "palette", at: near && [near.left, near.top], place: [box.x - 60, box.y + 40], wire, first: "" });
  }

  async pasteHere(place: Point): Promise<void> {
    const text = await navigator.clipboard.readText().catch(() => "");
    if (this.active) this.paste(text, place, false);
  }

  /** Nodes, or a whole workflow, from a text. */
  paste(text: string, place: Point | undefined, keepIncoming: boolean): void {
    if (!this.active || pasteText(this.active, text, place, keepIncoming)) return;
    if (isWorkflowText(text)) this.openText(text, "Pasted");
  }

  // Runs

  get running(): boolean {
    return [...this.runs.runs.values()].some((run) => run.phase === "running") || this.jobs.running.length > 0;
  }

  /** How many wait behind what runs. */
  get waiting(): number {
    return Math.max(0, this.runs.queueRemaining - (this.running ? 1 : 0));
  }

  async run(options: { readonly front?: boolean } = {}): Promise<void> {
    const editor = this.active;
    if (!editor || this.sending) return;
    this.sending = true;
    try {
      for (let round = 0; round < this.batch; round += 1) if (!(await this.#queue(editor, options.front === true))) break;
    } catch (error) {
      this.fail(error);
    } finally {
      this.sending = false;
    }
  }

  async #queue(editor: Editor, front: boolean): Promise<boolean> {
    const { document } = editor;
    const { prompt, workflow } = toPrompt(document.state, document.defs);
    if (Object.keys(prompt).length === 0) {
      this.popups.tell("There is nothing to run yet: add a node that saves or shows a picture.", { bad: true });
      return false;
    }
    const answer = await this.client.queuePrompt({
      client_id: this.events.clientId,
      prompt,
      extra_data: { extra_pnginfo: { workflow: workflow as JsonObject }, weft_name: editor.name },
      ...(front && { front }),
    });
    if (!answer.accepted) {
      this.#reduce({ type: "refused", data: answer });
      editor.refuse(this.runs.faults);
      this.#tellRefusal(editor, answer.error.message, answer.error.details);
      return false;
    }
    editor.prompts.set(answer.prompt_id, prompt);
    this.#owners.set(answer.prompt_id, editor);
    this.jobs.note(answer.prompt_id, editor.name, prompt);
    this.#reduce({ type: "queued", data: { prompt_id: answer.prompt_id, node_errors: answer.node_errors } });
    editor.refuse(this.runs.faults);
    document.executeQuietly(applyControls(Math.random));
    return true;
  }

  #tellRefusal(editor: Editor, message: string, details: string): void {
    const [first] = editor.faults.keys();
    const id = first === undefined ? undefined : editor.nodeId(first);
    const count = editor.faults.size;
    if (id === undefined) return this.popups.tell(`${message}. ${count === 0 ? details : ""}`.trim(), { bad: true });
    const words = count === 1 ? "One node cannot run as it is." : `${count} nodes cannot run as they are.`;
    this.popups.tell(words, { bad: true, action: { label: "Show it", run: () => (editor.view.select([id]), editor.stage.fit([id])) } });
  }

  async stop(): Promise<void> {
    await this.client.interrupt().catch((error: unknown) => this.fail(error));
  }

  fail(error: unknown): void {
    this.popups.tell(messageOf(error), { bad: true });
  }

  #listen(): void {
    const { events } = this;
    events.on("connection", (connection) => (this.connection = connection));
    events.on("reconnected", () => void this.#resync());
    events.on("preview", (data) => this.#reduce({ type: "preview", data }));
    events.on("status", (data) => {
      this.#reduce({ type: "status", data });
      this.jobs.soon();
    });
    for (const type of ["execution_start", "execution_cached", "executing", "progress", "progress_state", "executed", "execution_success", "execution_error", "execution_interrupted"] as const) {
      events.on(type, (data) => this.#reduce({ type, data } as RunEvent));
    }
  }

  async #resync(): Promise<void> {
    for (const event of await resync(this.client, this.runs).catch(() => [])) this.#reduce(event);
    this.jobs.soon();
    if (this.trouble !== undefined) await this.load();
  }

  #reduce(event: RunEvent): void {
    this.runs = reduce(this.runs, event, performance.now());
    for (const editor of this.editors) {
      const last = [...editor.prompts.keys()].reverse().map((id) => this.runs.runs.get(id));
      editor.follow(last.find((run) => run !== undefined && run.phase !== "waiting") ?? editor.run);
    }
    if (event.type === "execution_success" || event.type === "execution_error" || event.type === "execution_interrupted") this.jobs.soon();
    if (event.type === "execution_error" && !event.data.node_id) this.popups.tell(event.data.exception_message, { bad: true });
  }

  async #readPacks(): Promise<void> {
    try {
      const report = await this.client.get("weft/packs");
      this.packs = isArray(report) ? (report as unknown as PackReport[]) : [];
      const broken = this.packs.filter((pack) => !pack.ok);
      if (broken.length > 0) this.popups.tell(`${broken.map((pack) => pack.name).join(", ")} could not be loaded.`, { bad: true, action: { label: "Show packs", run: () => (this.preferences.drawer = "packs") } });
    } catch {
      this.packs = []; // an older server
    }
  }
}

export function messageOf(error: unknown): string {
  if (error instanceof HttpError || error instanceof Error) return error.message;
  return String(error);
}
