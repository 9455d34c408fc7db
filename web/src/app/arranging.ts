/** Order among the nodes that are chosen, or among all: one step. */
import { type NodeId, type Point, ROOT, arrange, placeNodes, setGroup } from "../graph";
import { type Arrangement, type Shape, elkGraph, placesOf } from "../arrange/elk";
import type { App } from "./app.svelte";
import type { Editor } from "./editor.svelte";
import { t } from "../words";

export async function arrangeChosen(app: App, editor: Editor): Promise<void> {
  const { document, view, stage } = editor;
  const { graph, layout } = stage;
  const chosen = view.selection.nodes.size > 1 ? view.selection.nodes : graph.nodes.keys();
  const ids = [...chosen].filter((id) => graph.nodes.get(id)?.flags.pinned !== true);
  const bounds = stage.boundsOf(ids);
  if (!bounds) return;
  const { revision } = document;
  const arrangement = await better(editor, ids, [bounds[0], bounds[1]]);
  if (document.revision !== revision) return app.popups.tell(t("shell.changed-meanwhile"));
  layout.release(ids);
  const places = [...arrangement.nodes].map(([id, [x, y]]): [NodeId, Point] => [id, [x, y + (layout.box(id)?.header ?? 0)]]);
  document.transaction("Arrange", () => {
    document.execute(placeNodes(view.scope, places, "Arrange"));
    for (const [id, rect] of arrangement.groups) document.execute(setGroup(view.scope, id, { bounds: rect }));
  });
  stage.rebuild();
  if (view.scope !== ROOT || ids.length === graph.nodes.size) stage.fit();
}

/** By the library; in plain columns where the browser cannot have it. */
async function better({ stage }: Editor, ids: readonly NodeId[], origin: Point): Promise<Arrangement> {
  const { graph, layout } = stage;
  const shape = (id: NodeId): Shape | undefined => {
    const box = layout.box(id);
    return box && { width: box.width, height: box.height, inputs: new Map(box.inputs.map(({ key, y }) => [String(key), y])), outputs: box.outputs.map(({ y }) => y) };
  };
  try {
    const { layOut } = await import("../arrange/arrange");
    return placesOf(await layOut(elkGraph(graph, ids, shape)), graph, origin);
  } catch {
    const grown = new Map([...graph.nodes].map(([id, node]) => [id, { ...node, size: [layout.box(id)?.width ?? node.size[0], (layout.box(id)?.height ?? node.size[1]) - 32] as const }]));
    const columns = arrange({ ...graph, nodes: grown }, ids, origin);
    return { nodes: new Map([...columns].map(([id, [x, y]]) => [id, [x, y - (layout.box(id)?.header ?? 0)]])), groups: new Map() };
  }
}
