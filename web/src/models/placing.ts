/** A model on the canvas: the node that loads it, with the file chosen. */
import { type Link, type NodeId, type Point, fittingPair, insertOnLink, linksTo, setWidgets } from "../graph";
import type { App } from "../app/app.svelte";
import type { Editor } from "../app/editor.svelte";
import { freePlace, reveal } from "../app/keyboard";
import { placeNode } from "../app/placing";
import { t } from "../words";
import { loaderFor } from "./loaders";

/** Screen pixels within which a model is dropped on a thread. */
const REACH = 22;

/**
 * One undo step. What changes a model (a LoRA) is woven in: into the thread that it is dropped on, or, where it is not
 * dropped but pressed, behind the one node that all models here come from.
 * @param at where the pointer is, in graph units; left out if it was pressed.
 */
export function placeModel(app: App, folder: string, name: string, at?: Point): void {
  const editor = app.active;
  const loader = loaderFor(app.defs, folder);
  if (!editor) return;
  if (!loader) return app.popups.tell(t("models.no-loader", { name }), { bad: true });
  const { document, stage, view } = editor;
  const [x, y] = at ?? stage.middle;
  const id = document.transaction("Add node", () => {
    const added = placeNode(editor, loader.type, at ? [x - 140, y - 16] : freePlace(editor, [x - 140, y - 60]));
    document.execute(setWidgets(view.scope, added, { [loader.input]: name }));
    if (at) weave(editor, added, at);
    else weaveBehindTheFirst(editor, added);
    return added;
  });
  if (!at) reveal(editor, id);
}

function weave({ document, stage, view }: Editor, id: NodeId, at: Point): void {
  const graph = document.graph(view.scope);
  const node = graph.nodes.get(id);
  const link = node && stage.hits.link(at, REACH, (wire) => fittingPair(graph, wire, node) !== undefined);
  if (link !== undefined) document.execute(insertOnLink(view.scope, id, link));
}

/** Where two nodes give what it takes, nobody could say which is meant: then it stays free. */
function weaveBehindTheFirst(editor: Editor, id: NodeId): void {
  const graph = editor.document.graph(editor.view.scope);
  const node = graph.nodes.get(id);
  const isFirst = (link: Link): boolean => ![...linksTo(graph, link.from.node)].some(({ type }) => type === link.type);
  const found = node ? [...graph.links.values()].filter((link) => isFirst(link) && fittingPair(graph, link, node)) : [];
  const [first] = found;
  const taken = first && node && fittingPair(graph, first, node);
  const alike = found.filter((link) => node && fittingPair(graph, link, node)?.input === taken?.input);
  if (!first || alike.some(({ from }) => from.node !== first.from.node || from.slot !== first.from.slot)) return;
  editor.document.execute(insertOnLink(editor.view.scope, id, first.id, true));
}
