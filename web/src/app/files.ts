/** Saving and opening: on the server, and on this computer. */
import { HttpError } from "../client";
import type { App } from "./app.svelte";
import type { Editor } from "./editor.svelte";

export const WORKFLOWS = "workflows";

/** Save among the user's workflows; a first save, or one `elsewhere`, asks for a name where the tab is. */
export function saveHere(app: App, editor: Editor, elsewhere = false): void {
  if (editor.path !== undefined && !elsewhere) {
    void write(app, editor, editor.path, true);
    return;
  }
  const tab = document.querySelector(`[data-tab="${CSS.escape(editor.id)}"]`)?.getBoundingClientRect();
  app.popups.show({
    kind: "line",
    at: [tab?.left ?? 100, (tab?.bottom ?? 40) + 6],
    width: 260,
    label: "Save as",
    text: editor.name,
    done: (name) => name.trim() !== "" && void write(app, editor, `${fileName(name)}.json`, false),
  });
}

async function write(app: App, editor: Editor, path: string, overwrite: boolean): Promise<void> {
  try {
    await app.client.writeUserFile(`${WORKFLOWS}/${path}`, app.serialized(editor), { overwrite });
  } catch (error) {
    if (!(error instanceof HttpError) || error.status !== 409) return app.fail(error);
    const run = (): void => void write(app, editor, path, true);
    app.popups.tell(`There is a workflow named ${path.replace(/\.json$/, "")} already.`, { bad: true, action: { label: "Replace it", run } });
    return;
  }
  editor.path = path;
  editor.name = path.replace(/\.json$/, "");
  editor.markSaved();
  app.popups.tell(`${editor.name} is saved`);
}

/** Without what a file's name cannot have. */
function fileName(name: string): string {
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
