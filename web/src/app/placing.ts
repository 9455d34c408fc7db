/** Adding nodes where a person means them. */
import { type LinkId, type NodeId, type Point, REROUTE, addNode, connect, fittingSlots } from "../graph";
import type { Wire } from "../canvas/wire";
import type { Editor } from "./editor.svelte";

/** A new node, wired to the thread that was dropped if there is one. One undo step. */
export function placeNode(editor: Editor, type: string, at: Point, wire?: Wire): NodeId {
  const { document, view } = editor;
  return document.transaction("Add node", () => {
    const place: Point = [Math.round(wire?.start.side === "input" ? at[0] - 270 : at[0]), Math.round(at[1] + (wire ? -13 : 0))];
    const id = document.execute(addNode(view.scope, type, place));
    if (wire) join(editor, id, type, wire);
    view.select([id]);
    return id;
  });
}

function join({ document, view }: Editor, id: NodeId, type: string, { start }: Wire): void {
  const [slot] = fittingSlots(document.defs, document.state, type, { type: start.type, side: start.side });
  if (slot === undefined) return;
  if (start.side === "output") document.execute(connect(view.scope, { node: start.node, slot: start.slot }, { node: id, input: String(slot) }));
  else document.execute(connect(view.scope, { node: id, slot: Number(slot) }, { node: start.node, input: start.input }));
}

/** A knot in a thread. */
export function putReroute({ document, view, stage }: Editor, link: LinkId, [x, y]: Point): void {
  const wire = stage.graph.links.get(link);
  if (!wire) return;
  document.transaction("Add knot", () => {
    const id = document.execute(addNode(view.scope, REROUTE, [Math.round(x - 22), Math.round(y - 13)]));
    const input = document.graph(view.scope).nodes.get(id)?.inputs[0]?.name ?? "";
    document.execute(connect(view.scope, wire.from, { node: id, input }));
    document.execute(connect(view.scope, { node: id, slot: 0 }, wire.to));
    view.select([id]);
  });
}
