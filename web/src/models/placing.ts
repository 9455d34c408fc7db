/** A model on the canvas: the node that loads it, with the file chosen. */
import { type Point, setWidgets } from "../graph";
import type { App } from "../app/app.svelte";
import { placeNode } from "../app/placing";
import { t } from "../words";
import { loaderFor } from "./loaders";

/** One undo step. @param at where the pointer is, in graph units; the middle if left out. */
export function placeModel(app: App, folder: string, name: string, at?: Point): void {
  const editor = app.active;
  const loader = loaderFor(app.defs, folder);
  if (!editor) return;
  if (!loader) return app.popups.tell(t("models.no-loader", { name }), { bad: true });
  const [x, y] = at ?? editor.stage.middle;
  editor.document.transaction("Add node", () => {
    const id = placeNode(editor, loader.type, [x - 140, y - (at ? 16 : 60)]);
    editor.document.execute(setWidgets(editor.view.scope, id, { [loader.input]: name }));
  });
}
