/** The app: the server, the open workflows, what runs. */
import { Client, Events, type PromptId, type SamplerTable } from "../client";
import { BrowserJournals, type DocumentState, Journal, type ListedStorage, NodeDefs, NothingCarried, type NodeId, type Point, type Restored, indexedDbStorage, isArray, isObject, openFile, openJson, parseJson, restoreJournal, restoreSaved, serialize, stringifyJson } from "../graph";
import { beginWire } from "../canvas/wire";
import { isWorkflowText, pasteText } from "./actions";
import { Downloads } from "../models/downloads.svelte";
import { Blueprints } from "./blueprints.svelte";
import { Completions } from "./completion.svelte";
import { Editor, type SavedAs } from "./editor.svelte";
import { letIn, scriptsOf } from "./scripts";
import type { Extensions, RunOptions } from "./extending";
import { Jobs } from "./jobs.svelte";
import { placeMedia } from "./inputs";
import { Packs } from "./packs.svelte";
import { Popups } from "./popups.svelte";
import { Preferences } from "./preferences.svelte";
import { Queue } from "./queue.svelte";
import { Runner } from "./runner.svelte";
import { enduring, webStore } from "./storage";
import { Versions } from "./versions.svelte";
import { Windows, browserClaims } from "./windows";
import { messageOf } from "./words";
import { t } from "../words";
import { listed } from "../words/format";
import { Locales } from "./locales";

export class App {
  readonly client: Client;
  readonly popups = new Popups();
  readonly blueprints = new Blueprints(this);
  readonly packs = new Packs(this);
  readonly completions = new Completions(this);
  readonly preferences: Preferences;
  readonly jobs: Jobs;
  /** What a saved workflow was before. */
  readonly versions = new Versions(this);
  readonly downloads: Downloads;
  readonly queue: Queue;
  /** What nodes are called in the page's language. */
  readonly locales: Locales;
  readonly runner: Runner;
  defs = $state.raw<NodeDefs>(new NodeDefs([]));
  /** What samplers are for; undefined until it is read. */
  samplers = $state.raw<SamplerTable | undefined>();
  editors = $state.raw<readonly Editor[]>([]);
  active = $state.raw<Editor | undefined>();
  /** Scripts of packs at work; undefined while no pack brings any. */
  extensions = $state.raw<Extensions | undefined>();
  /** Why there is nothing to show yet. */
  trouble = $state<string | undefined>();
  ready = $state(false);
  /** The space bar is down: the pointer carries the canvas. */
  spaceHeld = false;
  pointer: { cancel(): boolean } | undefined;
  readonly #storage: ListedStorage;
  readonly #windows: Windows;
  readonly #journals: BrowserJournals;
  readonly #keeping = new Map<string, Journal>();

  constructor(base: string) {
    this.client = new Client({ base });
    this.preferences = new Preferences(webStore("localStorage"));
    this.jobs = new Jobs(this.client);
    this.downloads = new Downloads(this.client, ({ name }) => void this.#took(name));
    this.locales = new Locales(this.client);
    const events = new Events({ base, storage: webStore("sessionStorage") });
    this.queue = new Queue({ client: this.client, popups: this.popups, jobs: this.jobs, expect: () => this.runner.expect(), again: (jobs) => this.runner.again(jobs) });
    this.runner = new Runner({
      client: this.client,
      events,
      popups: this.popups,
      jobs: this.jobs,
      editors: () => this.editors,
      extensions: () => this.extensions,
      back: () => this.trouble !== undefined && void this.load(),
    });
    const name = `weft ${new URL(base).pathname}`;
    this.#storage = enduring(indexedDbStorage(indexedDB, name), (error) => this.#tellUnkept(error));
    this.#journals = new BrowserJournals(indexedDB, `${name} journals`);
    this.#windows = new Windows(this.#storage, browserClaims(name), webStore("sessionStorage"));
  }

  async start(): Promise<void> {
    this.runner.listen();
    await this.load();
  }

  /** Read what nodes there are, then open what was open. */
  async load(): Promise<void> {
    this.trouble = undefined;
    try {
      const [defs, scripts] = await Promise.all([this.locales.read(), scriptsOf(this.client)]);
      this.defs = defs;
      if (scripts.length > 0 && !this.extensions) await letIn(this, scripts);
    } catch (error) {
      this.trouble = messageOf(error);
      return;
    }
    this.packs.listen();
    void this.packs.read();
    void this.#readSamplers();
    await this.#restore();
    this.ready = true;
    void this.jobs.refresh();
  }

  /** Lists of files may have grown: read them again. */
  async refresh(): Promise<void> {
    try {
      this.defs = await this.locales.read();
      for (const { document, stage, watch } of this.editors) {
        document.redefine(this.defs);
        stage.rebuild();
        watch.soon();
      }
      this.completions.forget();
      await this.blueprints.read();
      this.popups.tell(t("shell.lists-read"));
    } catch (error) {
      this.fail(error);
    }
  }

  /** Another language, or with undefined the browser's: everything that is shown changes where it stands. */
  async speak(code: string | undefined): Promise<void> {
    try {
      await this.preferences.setLanguage(code);
      this.defs = this.locales.again();
      for (const { document, stage } of this.editors) {
        document.redefine(this.defs);
        stage.rebuild();
      }
    } catch (error) {
      this.fail(error);
    }
  }

  /** A model came: lists have it now. */
  async #took(name: string): Promise<void> {
    this.popups.tell(t("models.bring.done", { name }));
    try {
      await this.reread();
      for (const { watch } of this.editors) watch.look();
    } catch (error) {
      this.fail(error);
    }
  }

  // Workflows

  newTab(begin: { readonly name?: string; readonly state?: DocumentState; readonly file?: SavedAs | undefined; readonly clean?: boolean } = {}): Editor {
    const editor = new Editor(crypto.randomUUID(), this.defs, { ...begin, extensions: () => this.extensions, name: begin.name ?? this.#freeName() });
    this.#adopt(editor);
    this.active = editor;
    void this.#noteTabs();
    return editor;
  }

  async closeTab(editor: Editor): Promise<void> {
    const at = this.editors.indexOf(editor);
    this.editors = this.editors.filter((other) => other !== editor);
    if (this.active === editor) this.active = this.editors[Math.min(at, this.editors.length - 1)];
    await this.#keeping.get(editor.id)?.stop();
    this.#keeping.delete(editor.id);
    if (editor.dirty && !editor.isEmpty) this.#offerBack(editor);
    await this.#storage.remove(editor.id);
    await this.#journals.remove(editor.id).catch(() => undefined); // nobody asks for it again
    editor.end();
    if (this.editors.length === 0) this.newTab();
    await this.#noteTabs();
  }

  /** No question before: a closed workflow can be brought back. */
  #offerBack(editor: Editor): void {
    const { name, file } = editor;
    const { state } = editor.document;
    const run = (): void => void this.newTab({ name, state, file, clean: false }).look(editor.view.camera);
    this.popups.tell(t("shell.closed-unsaved", { name }), { action: { label: t("shell.bring-back"), run } });
  }

  switchTo(editor: Editor): void {
    this.active = editor;
    void this.#noteTabs();
  }

  /**
   * A file in a tab of its own; an empty tab is used.
   * @param place where a node goes that loads it, if it is plain media: graph units; the middle if left out.
   */
  async openFile(file: File, place?: Point): Promise<void> {
    try {
      await (this.extensions?.openFile(file, () => this.openFileHere(file, place)) ?? this.openFileHere(file, place));
    } catch (error) {
      this.fail(error);
    }
  }

  /** The same, where scripts of packs have had their say. */
  async openFileHere(file: File, place?: Point): Promise<void> {
    try {
      const parsed = await openFile(new Uint8Array(await file.arrayBuffer()), this.defs);
      this.openState(parsed.state, file.name.replace(/\.\w+$/, ""), parsed.camera);
    } catch (error) {
      if (error instanceof NothingCarried && (await placeMedia(this, error.kind, file, place))) return;
      this.fail(error);
    }
  }

  openText(text: string, name: string, file?: SavedAs): void {
    try {
      const parsed = openJson(parseJson(text), this.defs);
      this.openState(parsed.state, name, parsed.camera, file);
    } catch (error) {
      this.fail(error);
    }
  }

  openState(state: DocumentState, name: string, camera?: Editor["view"]["camera"], file?: SavedAs): Editor {
    const spare = this.active?.isEmpty && !this.active.dirty ? this.active : undefined;
    const editor = this.newTab({ name, state, file });
    if (spare) void this.closeTab(spare);
    this.jobs.later(() => editor.look(camera));
    this.#tellMissing(editor);
    return editor;
  }

  /** What the workflow wants that is not here. */
  #tellMissing(editor: Editor): void {
    const { unknown, missing } = editor.watch.look();
    const parts = [unknown.length > 0 && t("shell.unknown-nodes", { count: unknown.length }), missing.length > 0 && t("shell.missing-choices", { count: missing.length })].filter((part) => part !== false);
    if (parts.length === 0) return;
    const words = t("shell.not-here", { count: unknown.length + missing.length, what: listed(parts), name: editor.name });
    this.popups.tell(words, { bad: true, action: { label: t("shell.show"), run: () => this.popups.show({ kind: "troubles" }) } });
  }

  /** The workflow that made a run. */
  async openRun(id: PromptId): Promise<void> {
    try {
      const detail = await this.client.job(id);
      const extra = detail.workflow?.extra_data.extra_pnginfo;
      const workflow = isObject(extra) ? extra.workflow : undefined;
      const parsed = openJson(workflow ?? detail.workflow?.prompt ?? null, this.defs);
      const name = detail.workflow?.extra_data.weft_name;
      const editor = this.openState(parsed.state, typeof name === "string" ? name : t("shell.from-picture"), parsed.camera);
      await this.runner.recall(editor, [id]);
    } catch (error) {
      this.fail(error);
    }
  }

  serialized(editor: Editor): string {
    return stringifyJson(serialize(editor.document.state, editor.document.defs, editor.rootCamera), 2);
  }

  #freeName(): string {
    const taken = new Set(this.editors.map((editor) => editor.name));
    for (let number = 1; ; number += 1) {
      const name = number === 1 ? t("shell.untitled") : t("shell.untitled-number", { number });
      if (!taken.has(name)) return name;
    }
  }

  /** From now on its commands go to its journal. */
  #adopt(editor: Editor, kept?: Restored["kept"]): void {
    this.editors = [...this.editors, editor];
    const journal = new Journal(editor.document, editor.view, {
      store: this.#journals,
      key: editor.id,
      kept,
      about: () => editor.about(),
      cameras: () => editor.cameras,
      onError: (error) => this.#tellUnkept(error),
      onMended: () => this.popups.tell(t("shell.kept-again")),
      whenIdle: (work) => void ("requestIdleCallback" in window ? requestIdleCallback(work, { timeout: 5000 }) : setTimeout(work, 1000)),
    });
    this.#keeping.set(editor.id, journal);
    editor.keep = () => journal.soon();
  }

  #tellUnkept(error: unknown): void {
    const full = error instanceof DOMException && error.name === "QuotaExceededError";
    this.popups.tell(full ? t("shell.storage-full") : t("shell.keeps-nothing", { reason: messageOf(error) }), { bad: true });
  }

  async #noteTabs(): Promise<void> {
    await this.#windows.note({ open: this.editors.map((editor) => editor.id), active: this.active?.id ?? null });
  }

  async #restore(): Promise<void> {
    const tabs = await this.#windows.begin();
    for (const id of tabs.open) {
      const back = await restoreJournal(this.#journals, id, this.defs).catch(() => undefined);
      const saved = back ? undefined : await restoreSaved(this.#storage, id, this.defs); // of before there were journals
      const about = back?.view.about ?? saved?.about;
      if (!about) continue;
      const { name, path, version, dirty, runs } = about;
      const file = typeof path === "string" ? { path, version: typeof version === "string" ? version : undefined } : undefined;
      const begin = { extensions: () => this.extensions, name: typeof name === "string" ? name : t("shell.untitled"), clean: dirty !== true, file };
      const editor = new Editor(id, this.defs, { ...begin, ...(back ? { document: back.document } : saved && { state: saved.state }) });
      if (back) editor.lookAgain(back.view);
      if (saved) editor.view.enter(saved.scope);
      if (saved?.camera) editor.view.setCamera(saved.camera);
      this.#adopt(editor, back?.kept);
      if (tabs.active === id) this.active = editor;
      if (isArray(runs) && runs.length > 0) void this.runner.recall(editor, runs.map(String));
    }
    this.active ??= this.editors[0];
    if (this.active) return;
    if (tabs.first) await this.#openDefault();
    else this.newTab();
  }

  /** What a new person sees. */
  async #openDefault(): Promise<void> {
    try {
      const parsed = openJson(await this.client.get("weft/default_workflow"), this.defs);
      const editor = this.newTab({ name: t("shell.first-picture"), state: parsed.state });
      this.jobs.later(() => editor.look(undefined));
    } catch {
      this.newTab(); // an older server: an empty canvas says how to begin
    }
  }

  /** Write what is not yet written; the page may go. */
  async flush(): Promise<void> {
    await Promise.all([...this.#keeping.values()].map((journal) => journal.flush()));
  }

  /** A workflow to begin with; unless it is named, the small one that every beginning can start from. */
  async openTemplate(name = "default", title = t("menus.lesson-default")): Promise<void> {
    try {
      const parsed = openJson(await this.client.template(name), this.defs);
      this.openState(parsed.state, title);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Lists of files, after one was sent. */
  async reread(): Promise<void> {
    this.defs = await this.locales.read();
    for (const open of this.editors) open.document.redefine(this.defs);
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
    if (isWorkflowText(text)) this.openText(text, t("shell.pasted"));
  }

  /** Run what is on the canvas. */
  async run(options: RunOptions = {}): Promise<void> {
    if (!this.active) return;
    const queued = await this.runner.run(this.active, options);
    if (queued > 0 && this.jobs.paused) this.popups.tell(t("shell.queue-paused"), { action: { label: t("shell.resume"), run: () => void this.queue.pause(false) } });
  }

  fail(error: unknown): void {
    this.popups.tell(messageOf(error), { bad: true });
  }

  async #readSamplers(): Promise<void> {
    try {
      this.samplers ??= await this.client.samplers();
    } catch {
      this.samplers = undefined; // an older server: samplers are found by name alone
    }
  }
}
