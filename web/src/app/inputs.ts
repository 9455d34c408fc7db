/** Files that nodes take in: sent to the server, given to a node that is there or to a new one. */
import type { FileRef } from "../client";
import { type MediaKind, type NodeId, type Point, setWidget, widgetsOf } from "../graph";
import { t } from "../words";
import type { App } from "./app.svelte";
import type { Editor } from "./editor.svelte";
import { freePlace, reveal } from "./keyboard";
import { maskTarget, openEasel } from "./masks";
import { placeNode } from "./placing";

/** The node type that loads media of a kind. */
function loaderOf(kind: MediaKind, type: string): string | undefined {
  if (["png", "webp", "jpeg"].includes(kind) || type.startsWith("image/")) return kind === "svg" ? undefined : "LoadImage";
  if (kind === "film" || kind === "webm") return "LoadVideo";
  return ["flac", "ogg", "mp3"].includes(kind) ? "LoadAudio" : undefined;
}

/** A node that loads a file which carries nothing. @returns false if there is none for its kind. */
export async function placeMedia(app: App, kind: MediaKind, file: File, place: Point | undefined): Promise<boolean> {
  const editor = app.active;
  const type = loaderOf(kind, file.type);
  if (!editor || type === undefined || !app.defs.get(type)) return false;
  try {
    const [x, y] = editor.stage.middle;
    const { filename, subfolder } = await app.client.upload(file, file.name);
    await app.reread();
    editor.document.transaction("Load a file", () => {
      const id = placeNode(editor, type, place ? [place[0] - 140, place[1] - 20] : freePlace(editor, [x - 140, y - 20]));
      const node = editor.stage.graph.nodes.get(id);
      const entry = node && widgetsOf(editor.document.defs, editor.document.state, editor.view.scope, node).find(({ widget }) => widget.kind === "combo");
      if (entry) editor.document.execute(setWidget(editor.view.scope, id, entry.key, subfolder === "" ? filename : `${subfolder}/${filename}`));
    });
    const [added] = editor.view.selection.nodes;
    if (!place && added !== undefined) reveal(editor, added);
  } catch (error) {
    app.fail(error);
  }
  return true;
}

/** Send files to where a node takes them from, and choose the last. */
export async function uploadTo(app: App, editor: Editor, id: NodeId, files: Iterable<File>): Promise<void> {
  const { document, view, stage } = editor;
  const node = stage.graph.nodes.get(id);
  const entry = node && widgetsOf(document.defs, document.state, view.scope, node).find(({ widget }) => widget.kind === "combo" && widget.upload !== undefined);
  if (!entry) return;
  for (const file of files) {
    const { filename, subfolder } = await app.client.upload(file, file.name);
    const value = subfolder === "" ? filename : `${subfolder}/${filename}`;
    await app.reread();
    document.execute(setWidget(view.scope, id, entry.key, value));
    document.seal();
  }
}

/** A picture that was made becomes one to begin with: of the chosen node, if it loads pictures, else of a new one. */
export async function sendToInput(app: App, made: FileRef): Promise<void> {
  const response = await fetch(app.client.viewUrl(made));
  if (!response.ok) throw new Error(t("gallery.none-found"));
  const file = new File([await response.blob()], made.filename);
  const [id, another] = app.active?.view.selection.nodes ?? [];
  if (app.active && id !== undefined && another === undefined && app.active.takesFiles(id)) await uploadTo(app, app.active, id, [file]);
  else await placeMedia(app, "png", file, undefined);
  app.popups.tell(t("gallery.sent", { name: made.filename }));
}

/** The same, and then the mask of what is to be drawn anew. */
export async function maskPicture(app: App, made: FileRef): Promise<void> {
  await sendToInput(app, made);
  const [id] = app.active?.view.selection.nodes ?? [];
  const target = app.active && id !== undefined ? maskTarget(app.active, id) : undefined;
  if (target) openEasel(app, "mask", target);
}
