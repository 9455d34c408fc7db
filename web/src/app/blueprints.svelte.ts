/** Subgraphs to use again: a person's own, which are files beside the workflows, and those that packs bring. */
import { HttpError, type UserFile } from "../client";
import { type GraphId, type JsonObject, type NodeId, type Point, blueprintOf, insertBlueprint, isObject, parseJson, readBlueprint, stringifyJson } from "../graph";
import type { App } from "./app.svelte";
import { fileName } from "./files";
import { nameOfFile } from "./words";
import type { Editor } from "./editor.svelte";
import { t } from "../words";

const FOLDER = "subgraphs";

export interface Listed {
  /** The user's file, or the id by which the server knows a pack's. */
  readonly key: string;
  readonly name: string;
  /** Who brought it; undefined: the person. */
  readonly pack: string | undefined;
}

export class Blueprints {
  all = $state.raw<readonly Listed[]>([]);
  #reading: Promise<void> | undefined;

  constructor(readonly app: App) {}

  /** Read what there is, if it was not read yet. */
  async look(): Promise<void> {
    this.#reading ??= this.read();
    await this.#reading;
  }

  async read(): Promise<void> {
    const { client } = this.app;
    try {
      const own = (await client.listUserFiles(FOLDER)).filter(({ path }) => path.endsWith(".json"));
      this.all = [...own.map(ownOne), ...(await this.#ofPacks())].sort((a, b) => a.name.localeCompare(b.name));
    } catch (error) {
      this.app.fail(error);
    }
  }

  async #ofPacks(): Promise<Listed[]> {
    try {
      const found = await this.app.client.get("global_subgraphs");
      return Object.entries(isObject(found) ? found : {}).flatMap(([key, each]) => (isObject(each) ? [{ key, name: String(each.name), pack: packOf(each) }] : []));
    } catch (error) {
      if (error instanceof HttpError && error.status === 404) return []; // a server that has none of packs
      throw error;
    }
  }

  /** A new node of it, in one step. */
  async insert(editor: Editor, listed: Listed, at: Point): Promise<void> {
    try {
      const blueprint = readBlueprint(parseJson(await this.#text(listed)), editor.document.defs);
      const { document, view } = editor;
      view.select([document.execute(insertBlueprint(view.scope, blueprint, [Math.round(at[0]), Math.round(at[1])]))]);
      document.seal();
    } catch (error) {
      this.app.fail(error);
    }
  }

  async #text({ key, pack }: Listed): Promise<string> {
    if (pack === undefined) return (await this.app.client.readUserFile(`${FOLDER}/${key}`)).text;
    const whole = await this.app.client.get(`global_subgraphs/${encodeURIComponent(key)}`);
    return isObject(whole) ? String(whole.data) : "";
  }

  /** Ask for a name, then keep a subgraph under it. */
  ask(editor: Editor, scope: GraphId, instance: NodeId, at: Point): void {
    const node = editor.stage.graph.nodes.get(instance);
    const text = node?.title ?? editor.document.state.graphs.get(node?.type ?? "")?.name ?? "";
    const done = (name: string): void => {
      const file = fileName(name);
      if (file !== "") void this.#write(`${file}.json`, blueprintOf(editor.document.state, scope, instance, editor.document.defs, name.trim()), false);
    };
    this.app.popups.show({ kind: "line", at, width: 260, label: t("panels.blueprint-name"), always: true, text, done });
  }

  async #write(file: string, blueprint: JsonObject, overwrite: boolean): Promise<void> {
    const name = nameOfFile(file);
    try {
      await this.app.client.writeUserFile(`${FOLDER}/${file}`, stringifyJson(blueprint, 2), { overwrite });
      await this.read();
      this.app.popups.tell(t("panels.blueprint-kept", { name }), { action: { label: t("panels.show-blueprints"), run: () => (this.app.preferences.drawer = "nodes") } });
    } catch (error) {
      if (!(error instanceof HttpError) || error.status !== 409) return this.app.fail(error);
      this.app.popups.tell(t("panels.blueprint-taken", { name }), { bad: true, action: { label: t("shell.replace-it"), run: () => void this.#write(file, blueprint, true) } });
    }
  }

  /** No question before: it can be put back. */
  async remove({ key, name }: Listed): Promise<void> {
    const { client, popups } = this.app;
    try {
      const { text, version } = await client.readUserFile(`${FOLDER}/${key}`);
      await client.deleteUserFile(`${FOLDER}/${key}`, version);
      await this.read();
      const run = (): void => void client.writeUserFile(`${FOLDER}/${key}`, text).then(() => this.read(), (error: unknown) => this.app.fail(error));
      popups.tell(t("panels.deleted", { name }), { action: { label: t("panels.put-back"), run } });
    } catch (error) {
      this.app.fail(error);
    }
  }
}

function ownOne({ path }: UserFile): Listed {
  return { key: path, name: nameOfFile(path), pack: undefined };
}

/** "custom_nodes.some-pack" is "some-pack" to people. */
function packOf({ info }: JsonObject): string {
  const module = isObject(info) && typeof info.node_pack === "string" ? info.node_pack : "";
  return module.replace(/^custom_nodes\./, "");
}
