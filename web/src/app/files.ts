/** Saving and opening: on the server, and on this computer. */
import { HttpError } from "../client";
import type { App } from "./app.svelte";
import { askAbout, conflictWith } from "./conflict";
import { type Editor, WORKFLOWS } from "./editor.svelte";
import { nameOfFile } from "./words";
import { t } from "../words";

/** How a file is written: never over one that is there, in place of any, or only over the version that was seen. */
interface Manner {
  readonly overwrite?: boolean;
  readonly seen?: string | undefined;
}

/** Save among the user's workflows; a first save, or one `elsewhere`, asks for a name where the tab is. */
export function saveHere(app: App, editor: Editor, elsewhere = false): void {
  if (editor.path !== undefined && !elsewhere) {
    void write(app, editor, editor.path, { seen: editor.version });
    return;
  }
  const tab = document.querySelector(`[data-tab="${CSS.escape(editor.id)}"]`)?.getBoundingClientRect();
  app.popups.show({
    kind: "line",
    at: [tab?.left ?? 100, (tab?.bottom ?? 40) + 6],
    width: 260,
    label: t("shell.save-as"),
    always: true,
    text: editor.name,
    done: (name) => name.trim() !== "" && void write(app, editor, `${fileName(name)}.json`, {}),
  });
}

async function write(app: App, editor: Editor, path: string, manner: Manner): Promise<void> {
  const { state } = editor.document;
  const text = app.serialized(editor);
  try {
    const version = await app.client.writeUserFile(`${WORKFLOWS}/${path}`, text, manner);
    editor.markSaved({ path, version }, state);
  } catch (error) {
    if (!(error instanceof HttpError) || error.status !== 409) return app.fail(error);
    if (path !== editor.path) return offerToReplace(app, editor, path);
    const conflict = await conflictWith(app, path, error).catch((reason: unknown) => app.fail(reason));
    if (!conflict) return;
    // It was written before, and only the answer was lost.
    if (conflict.current?.content === text) editor.markSaved({ path, version: conflict.current.etag }, state);
    else return askAbout(app, editor, path, conflict, (to, how) => void write(app, editor, fileName(nameOfFile(to)) + ".json", how));
  }
  app.popups.tell(t("shell.saved", { name: editor.name }));
}

function offerToReplace(app: App, editor: Editor, path: string): void {
  const run = (): void => void write(app, editor, path, { overwrite: true });
  app.popups.tell(t("shell.name-taken", { name: nameOfFile(path) }), { bad: true, action: { label: t("shell.replace-it"), run } });
}

/** Without what a file's name cannot have. */
export function fileName(name: string): string {
  return name.trim().replace(/[\\/:*?"<>|]+/g, "-").replace(/^\.+/, "").slice(0, 120);
}

/** A file for this computer. */
export function download(name: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
