/** A workflow that somebody else saved meanwhile: both versions, in what they differ, what can be done. */
import { type VersionConflict, conflictOf } from "../client";
import { type Comparison, type DocumentState, type Merged, compareStates, mergeStates, openJson, parseJson, replaceAll } from "../graph";
import type { App } from "./app.svelte";
import { type Editor, WORKFLOWS } from "./editor.svelte";
import { nameOfFile } from "./words";
import { t } from "../words";

/** What is known of one version; what is undefined cannot be known. */
export interface Side {
  /** Milliseconds since 1970. */
  readonly saved: number | undefined;
  /** Bytes. */
  readonly size: number;
  readonly nodes: number | undefined;
}

export interface Conflict {
  readonly name: string;
  readonly mine: Side;
  /** Undefined: it was deleted. */
  readonly theirs: Side | undefined;
  /** Mine is `one`. Undefined where theirs cannot be read. */
  readonly comparison: Comparison | undefined;
  readonly titleOf: (type: string) => string;
  /** A name that no workflow has. */
  readonly freeName: string;
  /** Save mine under another name. */
  readonly keepBoth: (name: string) => void;
  /** Save mine in place of theirs, or where nothing is any more. */
  readonly overwrite: () => void;
  readonly openTheirs: () => void;
  /** Both in one; undefined where it is not known what both began with. */
  readonly merged: Merged | undefined;
  /** Put that on the canvas, as a step that undo takes back, and save it. */
  readonly merge: () => void;
}

/** A way to write a workflow to a file; `seen`: only while the file is that version. */
export type Write = (path: string, how: { readonly overwrite?: boolean; readonly seen?: string | undefined }) => void;

/** Show both, and ask. Before an answer nothing is written. */
export async function askAbout(app: App, editor: Editor, path: string, { current }: VersionConflict, write: Write): Promise<void> {
  const files = await app.client.listUserFiles(WORKFLOWS).catch(() => []);
  const theirs = current?.content == null ? undefined : readState(app, current.content);
  const modified = files.find((file) => file.path === path)?.modified;
  const saved = modified === undefined ? undefined : modified < 1e12 ? modified * 1000 : modified;
  const { state } = editor.document;
  const base = theirs && (await baseOf(app, editor, path));
  const merged = base && theirs && mergeStates(base, state, theirs, app.defs);
  const conflict: Conflict = {
    name: nameOfFile(path),
    mine: { saved: undefined, size: new TextEncoder().encode(app.serialized(editor)).length, nodes: countOf(state) },
    theirs: current === null ? undefined : { saved, size: current.size, nodes: theirs && countOf(theirs) },
    comparison: theirs && compareStates(state, theirs),
    titleOf: (type) => editor.document.def(type)?.displayName ?? type,
    freeName: freeName(nameOfFile(path), new Set(files.map((file) => nameOfFile(file.path)))),
    keepBoth: (name) => write(`${name}.json`, {}),
    overwrite: () => write(path, current === null ? {} : { seen: current.etag }),
    openTheirs: () => void openTheirs(app, editor, path),
    merged,
    merge: () => {
      if (!merged || !current) return;
      editor.document.execute(replaceAll(merged.state, "Merge"));
      editor.document.seal();
      write(path, { seen: current.etag });
    },
  };
  app.popups.show({ kind: "conflict", conflict });
}

/** The version that mine was made of, if the server still has it. */
async function baseOf(app: App, editor: Editor, path: string): Promise<DocumentState | undefined> {
  if (editor.version === undefined) return undefined;
  try {
    const version = (await app.client.versions(`${WORKFLOWS}/${path}`)).find(({ etag }) => etag === editor.version);
    return version && readState(app, await app.client.readVersion(version.id));
  } catch {
    return undefined; // the other ways stay
  }
}

/** Theirs in a tab of its own. Mine stays open beside it, without a file. */
async function openTheirs(app: App, editor: Editor, path: string): Promise<void> {
  try {
    const { text, version } = await app.client.readUserFile(`${WORKFLOWS}/${path}`);
    const name = nameOfFile(path);
    editor.detach(t("shell.mine-name", { name }));
    app.openText(text, name, { path, version });
    app.popups.tell(t("shell.mine", { name: t("shell.mine-name", { name }) }));
  } catch (error) {
    app.fail(error);
  }
}

/** The conflict that an error tells of; of a file whose version was never known, that there is another at all. */
export async function conflictWith(app: App, path: string, error: unknown): Promise<VersionConflict | undefined> {
  const told = conflictOf(error);
  if (told) return told;
  const { text, version } = await app.client.readUserFile(`${WORKFLOWS}/${path}`);
  return version === undefined ? undefined : { current: { etag: version, size: new TextEncoder().encode(text).length, content: text } };
}

function readState(app: App, text: string): DocumentState | undefined {
  try {
    return openJson(parseJson(text), app.defs).state;
  } catch {
    return undefined; // somebody put something else there
  }
}

function countOf({ graphs }: DocumentState): number {
  return [...graphs.values()].reduce((sum, graph) => sum + graph.nodes.size, 0);
}

function freeName(name: string, taken: ReadonlySet<string>): string {
  const [, stem = name] = /^(.*?)(?: \d+)?$/.exec(name) ?? [];
  for (let number = 2; ; number += 1) if (!taken.has(`${stem} ${number}`)) return `${stem} ${number}`;
}
