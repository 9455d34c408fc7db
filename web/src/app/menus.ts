/** What a press of the right button offers. */
import { BOUNDARY_INPUT, type NodeId, type Point, ROOT, type Side, addGroup, connect, disconnect, hidesAll, hideThreads, isBoundary, labelSlot, removeGroups, removePoint, removeSlot, setColor, setGroup } from "../graph";
import { toScreen } from "../canvas/camera";
import type { Hit } from "../canvas/hit";
import { actionsOf } from "./actions";
import type { App } from "./app.svelte";
import type { Editor } from "./editor.svelte";
import { shownKeys } from "./keys";
import { maskTarget } from "./masks";
import type { MenuItem } from "./popups.svelte";
import { putReroute } from "./placing";

const COLOURS = [
  { name: "None", value: undefined },
  { name: "Red", value: "#c2564a" },
  { name: "Amber", value: "#c08a3a" },
  { name: "Green", value: "#4f9a63" },
  { name: "Teal", value: "#3f9a94" },
  { name: "Blue", value: "#4a82c2" },
  { name: "Violet", value: "#8468c4" },
  { name: "Pink", value: "#bb5f9d" },
];

/** An input or output of the subgraph on screen: which one a port is; undefined for the one that makes new ones. */
function slotAt(editor: Editor, hit: Hit & { kind: "port" }): { readonly side: Side; readonly index: number; readonly label: string } | undefined {
  const { inputs, outputs } = editor.stage.graph;
  const index = hit.side === "output" ? Number(hit.port.key) : outputs.findIndex(({ id }) => id === hit.port.key);
  const slot = hit.side === "output" ? inputs[index] : outputs[index];
  return slot && { side: hit.side === "output" ? "input" : "output", index, label: slot.label ?? slot.name };
}

export function renameSlot(app: App, editor: Editor, hit: Hit & { kind: "port" }, at: Point): void {
  const slot = slotAt(editor, hit);
  if (!slot) return;
  const done = (label: string): void => editor.document.execute(labelSlot(editor.view.scope, slot.side, slot.index, label.trim()));
  app.popups.show({ kind: "line", at, width: 180, label: slot.side === "input" ? "Name of the input" : "Name of the output", text: slot.label, done });
}

function boundaryMenu(app: App, editor: Editor, hit: Hit, place: Point): (MenuItem | "line")[] {
  const slot = hit.kind === "port" ? slotAt(editor, hit) : undefined;
  if (hit.kind !== "port" || !slot) return [{ label: "Draw a thread from “new” to add one", disabled: true }];
  const at = toScreen(editor.view.camera, place);
  const corner = document.querySelector("[data-testid=canvas]")?.getBoundingClientRect();
  return [
    { label: "Rename", pick: () => renameSlot(app, editor, hit, [at[0] + (corner?.left ?? 0), at[1] + (corner?.top ?? 0)]) },
    "line",
    { label: slot.side === "input" ? "Remove the input" : "Remove the output", danger: true, pick: () => editor.document.execute(removeSlot(editor.view.scope, slot.side, slot.index)) },
  ];
}

/** Inside a subgraph: the field under the pointer can become one of the subgraph's own. */
function promoting({ document, view, stage }: Editor, node: NodeId, [, y]: Point): MenuItem[] {
  const box = stage.layout.box(node);
  const field = box?.fields.find((each) => y >= box.y + each.y && y <= box.y + each.y + each.height);
  const slot = stage.graph.nodes.get(node)?.inputs.find(({ widget }) => widget !== undefined && widget === field?.entry.key);
  if (view.scope === ROOT || !field || field.linked || !slot) return [];
  const from = { node: BOUNDARY_INPUT, slot: stage.graph.inputs.length };
  return [{ label: `Show “${field.entry.label}” on the subgraph`, pick: () => void document.execute(connect(view.scope, from, { node, input: slot.name })) }];
}

export function menuFor(app: App, editor: Editor, hit: Hit, place: Point, rename: (node: NodeId) => void): (MenuItem | "line")[] {
  const { document, view, stage } = editor;
  const actions = actionsOf(app);
  const item = (id: string, label?: string): MenuItem => {
    const action = actions.find((one) => one.id === id);
    if (!action) throw new Error(`There is no action ${id}.`);
    const keys = action.keys ?? action.hint;
    return { label: label ?? action.label, pick: action.run, disabled: action.can?.() === false, ...(keys && { keys: shownKeys(keys) }) };
  };
  if (hit.kind === "link") {
    const end = stage.graph.links.get(hit.link)?.from;
    return [
      { label: "Add a knot", pick: () => putReroute(editor, hit.link, place) },
      ...(end ? [{ label: "Hide it, show names", pick: () => document.execute(hideThreads(view.scope, [end], true)) }] : []),
      { label: "Cut", danger: true, pick: () => document.execute(disconnect(view.scope, [hit.link])) },
    ];
  }
  if (hit.kind === "point") return [{ label: "Take the point away", danger: true, pick: () => document.execute(removePoint(view.scope, hit.point)) }];
  if (hit.kind === "group") {
    return [
      { label: "Colour", colours: COLOURS, pick: (color) => document.execute(setGroup(view.scope, hit.group, { color })) },
      "line",
      { label: "Take the frame away", danger: true, pick: () => document.execute(removeGroups(view.scope, [hit.group])) },
    ];
  }
  if ("node" in hit && isBoundary(hit.node)) return boundaryMenu(app, editor, hit, place);
  if (hit.kind === "node" || hit.kind === "corner" || hit.kind === "port") {
    if (!view.selection.nodes.has(hit.node)) view.select([hit.node]);
    const node = stage.graph.nodes.get(hit.node);
    const output = hit.kind === "port" && hit.side === "output" ? { node: hit.node, slot: Number(hit.port.key) } : undefined;
    const hidden = hidesAll(stage.graph, hit.node, output?.slot);
    return [
      { label: "Rename", pick: () => rename(hit.node) },
      item("run-chosen"),
      item("help"),
      ...(maskTarget(editor, hit.node) ? [item("mask")] : []),
      ...promoting(editor, hit.node, place),
      item("replace", "Replace"),
      output
        ? { label: hidden ? "Show these threads" : "Hide these threads, show names", pick: () => document.execute(hideThreads(view.scope, [output], !hidden)) }
        : item("hide-threads", hidden ? "Show its threads" : "Hide its threads"),
      "line",
      item("duplicate"),
      item("copy"),
      "line",
      item("mute", node?.mode === 2 ? "Let it run" : "Mute"),
      item("bypass", node?.mode === 4 ? "Let it run" : "Bypass"),
      item("collapse", node?.flags.collapsed === true ? "Expand" : "Collapse"),
      item("pin", node?.flags.pinned === true ? "Unpin" : "Pin"),
      item("group"),
      ...(view.selection.nodes.size > 1 ? ["arrange", "align-left", "align-top", "align-across", "align-down"].map((id) => item(id)) : []),
      "line",
      ...(document.state.graphs.has(node?.type ?? "") ? [item("enter"), item("unpack")] : [item("subgraph")]),
      "line",
      { label: "Colour", colours: COLOURS, pick: (value) => document.execute(setColor(view.scope, view.selection.nodes, value)) },
      "line",
      item("delete-heal"),
      { ...item("delete"), danger: true },
    ];
  }
  return [
    { label: "Add a node", keys: "Space", pick: () => app.popups.show({ kind: "palette", at: undefined, place, wire: undefined, first: "" }) },
    { label: "Add a frame", pick: () => void document.execute(addGroup(view.scope, [place[0], place[1], 360, 240])) },
    { label: "Paste", keys: shownKeys("Mod+V"), pick: () => void app.pasteHere(place) },
    "line",
    item("select-all"),
    item("arrange"),
    item("fit"),
    "line",
    item("undo", document.undoLabel === undefined ? "Undo" : `Undo: ${document.undoLabel.toLowerCase()}`),
    item("redo", document.redoLabel === undefined ? "Redo" : `Redo: ${document.redoLabel.toLowerCase()}`),
  ];
}
