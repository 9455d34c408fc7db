/** The versions that the server keeps of a saved workflow: to browse, compare and come back to. */
import type { Version } from "../client";
import { type Comparison, type DocumentState, type NodeId, type ParsedWorkflow, ROOT, compareStates, openJson, parseJson, replaceAll } from "../graph";
import type { App } from "./app.svelte";
import { whenOf } from "./differing";
import { type Editor, WORKFLOWS } from "./editor.svelte";
import { nameOfFile } from "./words";
import { t } from "../words";

/** What a version is held against. */
export type Against = "canvas" | "before";

export class Versions {
  /** Whose versions are shown, among the workflows; undefined: none are. */
  path = $state<string | undefined>();
  list = $state.raw<readonly Version[] | undefined>();
  chosen = $state.raw<Version | undefined>();
  against = $state<Against>("canvas");
  /** The chosen one is `other`. Undefined while it is read, and where it cannot be. */
  comparison = $state.raw<Comparison | undefined>();
  #asked = 0;

  constructor(readonly app: App) {}

  async show(path: string | undefined): Promise<void> {
    this.path = path;
    this.chosen = this.comparison = this.list = undefined;
    await this.read();
  }

  async read(): Promise<void> {
    const { path } = this;
    if (path === undefined) return;
    try {
      const found = await this.app.client.versions(`${WORKFLOWS}/${path}`);
      if (path === this.path) this.list = found;
    } catch (error) {
      this.app.fail(error);
      this.list = [];
    }
  }

  /** The tab in which the file is open. */
  get editor(): Editor | undefined {
    return this.app.editors.find((editor) => editor.path === this.path);
  }

  async choose(version: Version, against: Against = this.against): Promise<void> {
    this.against = against;
    this.chosen = version;
    this.comparison = undefined;
    const asked = (this.#asked += 1);
    const [then, other] = [await this.#state(version), await this.#other(version)];
    if (asked === this.#asked) this.comparison = then && other && compareStates(other, then.state);
  }

  /** The version saved before it. */
  before(version: Version): Version | undefined {
    const at = this.list?.indexOf(version) ?? -1;
    return at < 0 ? undefined : this.list?.[at + 1];
  }

  async #other(version: Version): Promise<DocumentState | undefined> {
    const before = this.before(version);
    if (this.against === "before") return before && (await this.#state(before))?.state;
    return this.editor?.document.state;
  }

  async #state(version: Version): Promise<ParsedWorkflow | undefined> {
    try {
      return openJson(parseJson(await this.app.client.readVersion(version.id)), this.app.defs);
    } catch (error) {
      this.app.fail(error);
      return undefined;
    }
  }

  /** Choose on the canvas what differs, as far as it is there. */
  select(ids: readonly NodeId[]): void {
    const { editor } = this;
    if (!editor) return;
    this.app.switchTo(editor);
    editor.go(ROOT);
    const there = ids.filter((id) => editor.stage.graph.nodes.has(id));
    editor.view.select(there);
    this.app.jobs.later(() => editor.stage.fit(there));
  }

  /** In the tab of its file, as a step that undo takes back; nothing is saved yet. */
  async restore(version: Version): Promise<void> {
    const parsed = await this.#state(version);
    if (!parsed || this.path === undefined) return;
    const { editor } = this;
    if (!editor) return this.openBeside(version);
    this.app.switchTo(editor);
    editor.document.execute(replaceAll(parsed.state, "Restore a version"));
    editor.document.seal();
    this.app.popups.tell(t("panels.restored", { when: whenOf(version.saved * 1000) }), { action: { label: t("actions.undo"), run: () => void editor.document.undo() } });
    await this.choose(version);
  }

  /** In a tab of its own, without a file. */
  async openBeside(version: Version): Promise<void> {
    const parsed = await this.#state(version);
    if (parsed && this.path !== undefined) this.app.openState(parsed.state, t("panels.named-version", { name: nameOfFile(this.path), when: whenOf(version.saved * 1000) }), parsed.camera);
  }
}
