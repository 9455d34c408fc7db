/** Masks for pictures that nodes load: opening the editor, and putting what was drawn in the picture's place. */
import type { FileRef } from "../client";
import { type GraphId, type NodeId, setWidget, widgetsOf } from "../graph";
import type { App } from "./app.svelte";
import type { Editor } from "./editor.svelte";
import { chosenFile } from "./pictures";

/** The field whose picture gets the mask. */
export interface MaskTarget {
  readonly editor: Editor;
  readonly scope: GraphId;
  readonly node: NodeId;
  readonly key: string;
  readonly file: FileRef;
}

/** The node's field that has a picture chosen, if there is one. */
export function maskTarget(editor: Editor, id: NodeId): MaskTarget | undefined {
  const { document, view, stage } = editor;
  const node = stage.graph.nodes.get(id);
  const file = node && chosenFile(document.defs, document.state, view.scope, node);
  const entry = node && widgetsOf(document.defs, document.state, view.scope, node).find(({ widget }) => widget.kind === "combo" && widget.upload?.kind === "image");
  return node && file && entry ? { editor, scope: view.scope, node: id, key: entry.key, file } : undefined;
}

export function openMask(app: App, target: MaskTarget): void {
  const fresh = String(Date.now());
  const url = (channel: string): string => app.client.viewUrl(target.file, { channel, fresh });
  app.popups.show({ kind: "mask", name: target.file.filename, url: url("rgb"), alphaUrl: url("rgba"), target });
}

/** A copy of the picture with the mask in its alpha; the node takes it from now on, and undo gives the old one back. */
export async function useMask(app: App, { editor, scope, node, key, file }: MaskTarget, mask: Blob): Promise<void> {
  const { filename, subfolder } = await app.client.uploadMask(mask, maskedName(file.filename), file);
  await app.reread();
  editor.document.execute({ ...setWidget(scope, node, key, subfolder === "" ? filename : `${subfolder}/${filename}`), label: "Draw a mask" });
  editor.document.seal();
}

/** "apple.jpg" becomes "apple masked.png", which stays so however often it is masked: the server numbers what would be there twice. */
export function maskedName(filename: string): string {
  const stem = filename.replace(/\.\w+$/, "").replace(/ masked( \(\d+\))?$/, "");
  return `${stem} masked.png`;
}
