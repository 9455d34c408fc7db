/** What a press of the right button offers. */
import { BOUNDARY_INPUT, type NodeId, type Point, ROOT, type Side, addGroup, connect, disconnect, hidesAll, hideThreads, isBoundary, labelSlot, removeGroups, removePoint, removeSlot, setColor, setGroup } from "../graph";
import { toScreen } from "../canvas/camera";
import type { Hit } from "../canvas/hit";
import { actionsOf } from "./actions";
import type { App } from "./app.svelte";
import type { Editor } from "./editor.svelte";
import { shownKeys } from "./keys";
import { EASEL, maskTarget } from "./masks";
import type { MenuItem } from "./popups.svelte";
import { putReroute } from "./placing";
import { type PlainKey, t } from "../words";
import { stepWords } from "./words";

const COLOURS = [
  { name: "menus.none", value: undefined },
  { name: "menus.red", value: "#c2564a" },
  { name: "menus.amber", value: "#c08a3a" },
  { name: "menus.green", value: "#4f9a63" },
  { name: "menus.teal", value: "#3f9a94" },
  { name: "menus.blue", value: "#4a82c2" },
  { name: "menus.violet", value: "#8468c4" },
  { name: "menus.pink", value: "#bb5f9d" },
] as const satisfies readonly { readonly name: PlainKey; readonly value: string | undefined }[];

function colours(): NonNullable<MenuItem["colours"]> {
  return COLOURS.map(({ name, value }) => ({ name: t(name), value }));
}

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
  app.popups.show({ kind: "line", at, width: 180, label: slot.side === "input" ? t("menus.input-name") : t("menus.output-name"), text: slot.label, done });
}

function boundaryMenu(app: App, editor: Editor, hit: Hit, place: Point): (MenuItem | "line")[] {
  const slot = hit.kind === "port" ? slotAt(editor, hit) : undefined;
  if (hit.kind !== "port" || !slot) return [{ label: t("menus.draw-new"), disabled: true }];
  const at = toScreen(editor.view.camera, place);
  const corner = document.querySelector("[data-testid=canvas]")?.getBoundingClientRect();
  return [
    { label: t("menus.rename"), pick: () => renameSlot(app, editor, hit, [at[0] + (corner?.left ?? 0), at[1] + (corner?.top ?? 0)]) },
    "line",
    { label: slot.side === "input" ? t("menus.remove-input") : t("menus.remove-output"), danger: true, pick: () => editor.document.execute(removeSlot(editor.view.scope, slot.side, slot.index)) },
  ];
}

/** Inside a subgraph: the field under the pointer can become one of the subgraph's own. */
function promoting({ document, view, stage }: Editor, node: NodeId, [, y]: Point): MenuItem[] {
  const box = stage.layout.box(node);
  const field = box?.fields.find((each) => y >= box.y + each.y && y <= box.y + each.y + each.height);
  const slot = stage.graph.nodes.get(node)?.inputs.find(({ widget }) => widget !== undefined && widget === field?.entry.key);
  if (view.scope === ROOT || !field || field.linked || !slot) return [];
  const from = { node: BOUNDARY_INPUT, slot: stage.graph.inputs.length };
  return [{ label: t("menus.promote", { field: field.entry.label }), pick: () => void document.execute(connect(view.scope, from, { node, input: slot.name })) }];
}

/** What packs offer at a place, under a line of its own. */
function offered(app: App, editor: Editor, node: NodeId | undefined, place: Point): (MenuItem | "line")[] {
  const corner = document.querySelector("[data-testid=canvas]")?.getBoundingClientRect();
  const [x, y] = toScreen(editor.view.camera, place);
  const entries = app.extensions?.menuOf(editor, node, [x + (corner?.left ?? 0), y + (corner?.top ?? 0)]) ?? [];
  return entries.length > 0 ? ["line", ...entries] : [];
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
      { label: t("menus.knot"), pick: () => putReroute(editor, hit.link, place) },
      ...(end ? [{ label: t("menus.hide-one"), pick: () => document.execute(hideThreads(view.scope, [end], true)) }] : []),
      { label: t("menus.cut-thread"), danger: true, pick: () => document.execute(disconnect(view.scope, [hit.link])) },
    ];
  }
  if (hit.kind === "point") return [{ label: t("menus.remove-point"), danger: true, pick: () => document.execute(removePoint(view.scope, hit.point)) }];
  if (hit.kind === "group") {
    return [
      { label: t("menus.colour"), colours: colours(), pick: (color) => document.execute(setGroup(view.scope, hit.group, { color })) },
      "line",
      { label: t("menus.remove-frame"), danger: true, pick: () => document.execute(removeGroups(view.scope, [hit.group])) },
    ];
  }
  if ("node" in hit && isBoundary(hit.node)) return boundaryMenu(app, editor, hit, place);
  if (hit.kind === "node" || hit.kind === "corner" || hit.kind === "port") {
    if (!view.selection.nodes.has(hit.node)) view.select([hit.node]);
    const node = stage.graph.nodes.get(hit.node);
    const output = hit.kind === "port" && hit.side === "output" ? { node: hit.node, slot: Number(hit.port.key) } : undefined;
    const hidden = hidesAll(stage.graph, hit.node, output?.slot);
    return [
      { label: t("menus.rename"), pick: () => rename(hit.node) },
      item("run-chosen"),
      item("help"),
      ...(maskTarget(editor, hit.node) ? EASEL.map((work) => item(work)) : []),
      ...promoting(editor, hit.node, place),
      item("replace", t("menus.replace")),
      output
        ? { label: hidden ? t("menus.show-these") : t("menus.hide-these"), pick: () => document.execute(hideThreads(view.scope, [output], !hidden)) }
        : item("hide-threads", hidden ? t("menus.show-threads") : t("menus.hide-threads")),
      "line",
      item("duplicate"),
      item("copy"),
      "line",
      item("mute", node?.mode === 2 ? t("menus.let-run") : undefined),
      item("bypass", node?.mode === 4 ? t("menus.let-run") : undefined),
      item("collapse", node?.flags.collapsed === true ? t("menus.expand") : undefined),
      item("pin", node?.flags.pinned === true ? t("menus.unpin") : undefined),
      item("group"),
      ...(view.selection.nodes.size > 1 ? ["arrange", "align-left", "align-top", "align-across", "align-down"].map((id) => item(id)) : []),
      "line",
      ...(document.state.graphs.has(node?.type ?? "") ? [item("enter"), item("unpack"), item("blueprint")] : [item("subgraph")]),
      "line",
      { label: t("menus.colour"), colours: colours(), pick: (value) => document.execute(setColor(view.scope, view.selection.nodes, value)) },
      "line",
      item("delete-heal"),
      { ...item("delete"), danger: true },
      ...offered(app, editor, hit.node, place),
    ];
  }
  return [
    { label: t("menus.add-node"), keys: t("shell.space"), pick: () => app.popups.show({ kind: "palette", at: undefined, place, wire: undefined, first: "" }) },
    { label: t("menus.add-frame"), pick: () => void document.execute(addGroup(view.scope, [place[0], place[1], 360, 240], t("steps.group"))) },
    { label: t("menus.paste"), keys: shownKeys("Mod+V"), pick: () => void app.pasteHere(place) },
    "line",
    item("select-all"),
    item("arrange"),
    item("fit"),
    "line",
    item("undo", document.undoLabel === undefined ? undefined : t("menus.undo", { step: stepWords(document.undoLabel) })),
    item("redo", document.redoLabel === undefined ? undefined : t("menus.redo", { step: stepWords(document.redoLabel) })),
    ...offered(app, editor, undefined, place),
  ];
}
