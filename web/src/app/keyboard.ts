/** What the pointer does, by keys alone: go from node to node, write in fields, wire. */
import { type NodeId, type Point, type Rect, connect, isBoundary } from "../graph";
import { overlaps, toScreen } from "../canvas/camera";
import { type Wire, type WireEnd, beginWire, fits, joined } from "../canvas/wire";
import { slotLabel, titleOfNode } from "../nodes/labels";
import { t } from "../words";
import type { App } from "./app.svelte";
import type { Editor } from "./editor.svelte";
import type { MenuItem } from "./popups.svelte";

const STEP = 60; // graph units between places that are tried for a new node
const FAR = 1800;
const NEW_NODE: Point = [280, 240];
const READABLE = 0.5; // a field that is written in is shown at least so large
const MOST_FRAMES = 60;

const middleOf = ([x, y, width, height]: Rect): Point => [x + width / 2, y + height / 2];

function titleOf({ stage, document }: Editor, id: NodeId): string {
  const node = stage.graph.nodes.get(id);
  return titleOfNode(node, document.def(node?.type ?? ""));
}

/** Choose the nearest node that lies in a direction; with nothing chosen, the one nearest to the middle. */
export function walk(editor: Editor, [wayX, wayY]: Point): void {
  const { view, stage } = editor;
  const from = [...view.selection.nodes].at(-1);
  const rect = from === undefined ? undefined : stage.layout.rect(from);
  const [x, y] = rect ? middleOf(rect) : stage.middle;
  let best: { readonly id: NodeId; readonly cost: number } | undefined;
  for (const id of stage.layout.boxes.keys()) {
    const other = id === from ? undefined : stage.layout.rect(id);
    if (!other || isBoundary(id)) continue;
    const [dx, dy] = [middleOf(other)[0] - x, middleOf(other)[1] - y];
    const along = dx * wayX + dy * wayY;
    if (rect && along <= 1) continue;
    const cost = rect ? along + 2 * Math.abs(dx * wayY + dy * wayX) : Math.hypot(dx, dy);
    if (!best || cost < best.cost) best = { id, cost };
  }
  if (!best) return;
  view.select([best.id]);
  reveal(editor, best.id);
}

/** Carry the canvas until a node is wholly seen; where it is, nothing moves. */
export function reveal({ stage, view }: Editor, id: NodeId, least = view.camera.scale): void {
  const rect = stage.layout.rect(id);
  if (!rect) return;
  const scale = Math.max(least, view.camera.scale);
  const [left, top] = toScreen(view.camera, [rect[0], rect[1]]);
  const [right, bottom] = toScreen(view.camera, [rect[0] + rect[2], rect[1] + rect[3]]);
  if (scale === view.camera.scale && left >= 0 && top >= 0 && right <= stage.size[0] && bottom <= stage.size[1]) return;
  const [x, y] = middleOf(rect);
  view.setCamera({ scale, offset: [stage.size[0] / scale / 2 - x, stage.size[1] / scale / 2 - y] });
}

/** The keyboard into the first field of a node, as soon as the node has its element. */
export async function writeIn(editor: Editor, id: NodeId): Promise<void> {
  reveal(editor, id, READABLE);
  for (let tries = 0; tries < MOST_FRAMES; tries += 1) {
    const node = document.querySelector(`[data-testid="node-${id}"]`);
    const [field] = [...(node?.querySelectorAll<HTMLElement>("[data-field]") ?? [])].flatMap((one) => (one.tabIndex >= 0 ? [one] : [...one.querySelectorAll<HTMLElement>("input, textarea, button, [tabindex]")]));
    if (field) return field.focus({ preventScroll: true });
    if (node) return;
    await new Promise(requestAnimationFrame);
  }
}

/** Leave a node's field for the canvas. @returns false if the keyboard is elsewhere. */
export function leaveField(): boolean {
  if (!document.activeElement?.closest("section.node")) return false;
  document.querySelector<HTMLElement>("[data-testid=canvas]")?.focus({ preventScroll: true });
  return true;
}

/** A list of a node's sockets; choosing one lists what it can be wired to: what is here, then what can be added. */
export function wireFrom(app: App, editor: Editor, id: NodeId): void {
  const box = editor.stage.layout.box(id);
  if (!box) return;
  const { x, y, width } = box;
  reveal(editor, id);
  const corner = document.querySelector("[data-testid=canvas]")?.getBoundingClientRect();
  const [left, top] = toScreen(editor.view.camera, [x + width, y]);
  const at: Point = [left + (corner?.left ?? 0) + 8, top + (corner?.top ?? 0)];
  const offer = (start: WireEnd): void => {
    const wire = beginWire(editor.stage.graph, start);
    const place = freePlace(editor, start.side === "output" ? [x + width + STEP, y + 32] : [x - STEP, y + 32], start.side === "input");
    app.popups.show({ kind: "palette", at, place, wire, first: "", join: true });
  };
  const outputs = box.outputs.map((port): MenuItem => ({ label: t("menus.from-output", { name: slotLabel(port.label, "output") }), keys: port.type, pick: () => offer({ side: "output", node: id, slot: Number(port.key), type: port.type }) }));
  const inputs = [...box.inputs].sort((a, b) => Number(a.field) - Number(b.field)).map((port): MenuItem => ({
    label: t(port.linked ? "menus.to-input-again" : "menus.to-input", { name: slotLabel(port.label, "input") }),
    keys: port.type,
    pick: () => offer({ side: "input", node: id, input: String(port.key), type: port.type }),
  }));
  const line = outputs.length > 0 && inputs.length > 0 ? (["line"] as const) : [];
  app.popups.show({ kind: "menu", at, name: t("menus.wire", { node: titleOf(editor, id) }), items: [...outputs, ...line, ...inputs] });
}

export interface Joining {
  readonly key: string;
  readonly label: string;
  readonly type: string;
  readonly join: () => void;
}

/** Sockets of nodes that are here and take the thread: free ones first, then near ones. */
export function joinings(editor: Editor, wire: Wire): readonly Joining[] {
  const { stage, document, view } = editor;
  const own = stage.layout.rect(wire.start.node);
  const side = wire.start.side === "output" ? "input" : "output";
  const found: (Joining & { readonly cost: number })[] = [];
  for (const [id, box] of stage.layout.boxes) {
    const rect = stage.layout.rect(id);
    for (const port of side === "input" ? box.inputs : box.outputs) {
      const ends = fits(wire, id, side, port.type, port.field) ? joined(stage.graph, wire, id, port.key) : undefined;
      if (!ends || !rect || !own) continue;
      const away = Math.hypot(rect[0] - own[0], rect[1] - own[1]);
      const cost = away + (port.field ? 1e7 : 0) + (side === "input" && port.linked ? 1e6 : 0) + (port.type === wire.start.type ? 0 : 1e8);
      const label = t("menus.socket", { node: titleOf(editor, id), name: slotLabel(port.label, side) });
      found.push({ key: `${id} ${port.key}`, label, type: port.type, cost, join: () => (document.execute(connect(view.scope, ends.from, ends.to)), document.seal()) });
    }
  }
  return found.sort((a, b) => a.cost - b.cost);
}

/** The place nearest to `at` where a new node covers no other. @param right whether `at` is its right edge. */
export function freePlace({ stage }: Editor, at: Point, right = false): Point {
  const [width, height] = NEW_NODE;
  const left = right ? at[0] - width : at[0];
  const taken = [...stage.layout.boxes.keys()].map((id) => stage.layout.rect(id)).filter((rect) => rect !== undefined);
  const near = taken.filter((rect) => overlaps(rect, [left - FAR, at[1] - FAR, 2 * FAR + width, 2 * FAR + height]));
  let best: { readonly place: Point; readonly cost: number } | undefined;
  for (let dx = -FAR; dx <= FAR; dx += STEP) {
    for (let dy = -FAR; dy <= FAR; dy += STEP) {
      const cost = Math.hypot(dx, dy);
      if ((best && cost >= best.cost) || near.some((rect) => overlaps(rect, [left + dx, at[1] + dy - 32, width, height]))) continue;
      best = { place: [at[0] + dx, at[1] + dy], cost };
    }
  }
  return best?.place ?? at;
}
