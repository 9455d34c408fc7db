/** Everything that can be done by a key, a menu or the field at the top; one table for all three. */
import {
  type ClipboardData, type Edge, Mode, type NodeDef, type NodeId, type Point, ROOT, type Seen, aligned, copy, duplicate, groupNodes, hidesAll, hideThreads, isBoundary, isClipboardData, isObject, linksFrom, makeSubgraph, parseJson, paste, placeNodes, removeAndHeal, removeGroups,
  removeNodes, disconnect, setCollapsed, setMode, setPinned, stringifyJson, toPrompt, unpackSubgraph,
} from "../graph";
import { zoomed } from "../canvas/camera";
import type { App } from "./app.svelte";
import { arrangeChosen } from "./arranging";
import type { Editor } from "./editor.svelte";
import { comparable, compare } from "./comparing";
import { download, saveHere } from "./files";
import { wireFrom, writeIn } from "./keyboard";
import { EASEL, type MaskTarget, maskTarget, openEasel } from "./masks";
import { LANGUAGES, type PlainKey, currentLanguage, english, t } from "../words";

export interface Action {
  readonly id: string;
  readonly label: string;
  /** What it is called in English: people may look for it so in any language. */
  readonly also?: string;
  /** As shown; `Mod` is Ctrl, or Command on a Mac. Several are parted by a bar. */
  readonly keys?: string | undefined;
  /** Keys before a person chose others. */
  readonly usual?: string | undefined;
  /** Keys to show where the browser's own event does the work. */
  readonly hint?: string;
  readonly can?: () => boolean;
  readonly run: () => void;
}

/** Workflows to learn by, as the server has them among its templates. */
const LESSONS = ["forward_process", "compare_samplers", "guidance"] as const;

const ALIGNMENTS: readonly Edge[] = ["left", "right", "top", "bottom", "across", "down"];

/** As it stands in the table: its words are looked up when they are shown. */
type Entry = Omit<Action, "label" | "usual" | "also"> & { readonly label: PlainKey | (() => string) };

export function actionsOf(app: App): readonly Action[] {
  const editor = (): Editor | undefined => app.active;
  const chosen = (): readonly NodeId[] => [...(editor()?.view.selection.nodes ?? [])];
  const some = (): boolean => chosen().length > 0;
  /** The chosen node, if it is a subgraph. */
  const instance = (): NodeId | undefined => {
    const [id, another] = chosen();
    const node = id === undefined || another !== undefined ? undefined : editor()?.stage.graph.nodes.get(id);
    return node && editor()?.document.state.graphs.has(node.type) ? node.id : undefined;
  };
  /** The chosen node, if it loads a picture. */
  const masked = (): MaskTarget | undefined => {
    const [id, another] = chosen();
    const active = editor();
    return active && id !== undefined && another === undefined ? maskTarget(active, id) : undefined;
  };
  /** What the chosen node is, if it is known. */
  const helped = (): NodeDef | undefined => {
    const [id] = chosen();
    const node = id === undefined ? undefined : editor()?.stage.graph.nodes.get(id);
    return node && editor()?.document.def(node.type);
  };
  const on = (work: (editor: Editor) => void) => () => {
    const active = editor();
    if (active) work(active);
  };
  const table: readonly Entry[] = [
    { id: "add", label: "actions.add", keys: "Shift+A", run: () => app.popups.show({ kind: "palette", at: undefined, place: undefined, wire: undefined, first: "" }) },
    { id: "run", label: "actions.run", keys: "Mod+Enter", run: () => void app.run() },
    { id: "run-first", label: "actions.run-first", keys: "Mod+Shift+Enter", run: () => void app.run({ front: true }) },
    { id: "run-chosen", label: "actions.run-chosen", can: some, run: () => void app.run({ only: chosen() }) },
    { id: "stop", label: "actions.stop", keys: "Mod+Alt+Enter", can: () => app.runner.running, run: () => void app.runner.stop() },
    { id: "pause", label: "actions.pause", can: () => !app.jobs.paused, run: () => void app.queue.pause(true) },
    { id: "resume", label: "actions.resume", can: () => app.jobs.paused, run: () => void app.queue.pause(false) },
    { id: "cancel-waiting", label: "actions.cancel-waiting", can: () => app.runner.waiting > 0, run: () => void app.queue.cancelWaiting() },
    { id: "retry-failed", label: "actions.retry-failed", can: () => app.jobs.unfinished.some(({ status }) => status === "failed"), run: () => void app.queue.retry() },
    { id: "undo", label: "actions.undo", keys: "Mod+Z", can: () => editor()?.document.canUndo === true, run: on(({ document }) => void document.undo()) },
    { id: "redo", label: "actions.redo", keys: "Mod+Shift+Z|Mod+Y", can: () => editor()?.document.canRedo === true, run: on(({ document }) => void document.redo()) },
    { id: "new", label: "actions.new", run: () => void app.newTab() },
    { id: "open", label: "actions.open", keys: "Mod+O", run: () => document.querySelector<HTMLInputElement>("#open-file")?.click() },
    { id: "form", label: "form.make", keys: "Shift+F", can: () => editor()?.isEmpty === false, run: () => app.popups.show({ kind: "form" }) },
    { id: "templates", label: "templates.all", keys: "T", run: () => app.popups.show({ kind: "templates" }) },
    ...LESSONS.map((name): Entry => ({ id: `learn-${name}`, label: () => t("actions.learn", { title: t(`actions.learn-${name}`) }), run: () => void app.openTemplate(name, t(`actions.learn-${name}`)) })),
    { id: "save", label: "actions.save", keys: "Mod+S", run: on((active) => saveHere(app, active)) },
    { id: "save-as", label: "actions.save-as", keys: "Mod+Shift+S", run: on((active) => saveHere(app, active, true)) },
    { id: "versions", label: "actions.versions", can: () => editor()?.path !== undefined, run: on((active) => ((app.preferences.drawer = "workflows"), void app.versions.show(active.path))) },
    { id: "download", label: "actions.download", run: on((active) => download(`${active.name}.json`, app.serialized(active))) },
    { id: "download-prompt", label: "actions.download-prompt", run: on(({ document, name }) => download(`${name} (prompt).json`, stringifyJson(toPrompt(document.state, document.defs).prompt, 2))) },
    { id: "select-all", label: "actions.select-all", keys: "Mod+A", run: on(({ view, stage }) => view.select([...stage.graph.nodes.keys()].filter((id) => !isBoundary(id)), stage.graph.groups.keys())) },
    { id: "copy", label: "actions.copy", hint: "Mod+C", can: some, run: on((active) => void copyChosen(active)) },
    { id: "cut", label: "actions.cut", hint: "Mod+X", can: some, run: on((active) => (copyChosen(active), removeChosen(active))) },
    { id: "duplicate", label: "actions.duplicate", keys: "Mod+D", can: some, run: on((active) => active.view.select(active.document.execute(duplicate(active.view.scope, chosen())).nodes)) },
    { id: "delete", label: "actions.delete", keys: "Delete|Backspace", run: on(removeChosen) },
    { id: "delete-heal", label: "actions.delete-heal", keys: "Mod+Backspace", can: some, run: on(({ document, view }) => document.execute(removeAndHeal(view.scope, chosen()))) },
    { id: "replace", label: "actions.replace", keys: "Shift+S", can: () => chosen().length === 1, run: () => { const [id] = chosen(); if (id !== undefined) app.popups.show({ kind: "palette", at: undefined, place: undefined, wire: undefined, first: "", replace: id }); } },
    ...EASEL.map((work): Entry => ({ id: work, label: `actions.${work}`, can: () => masked() !== undefined, run: () => { const target = masked(); if (target) openEasel(app, work, target); } })),
    { id: "compare", label: "actions.compare", can: () => comparable(app).length > 1, run: () => { const [last] = comparable(app); if (last) compare(app, last.file); } },
    { id: "help", label: "actions.help", keys: "F1", can: () => helped() !== undefined, run: () => { const def = helped(); if (def) app.popups.show({ kind: "help", def }); } },
    { id: "hide-threads", label: "actions.hide-threads", keys: "Alt+H", can: some, run: on(toggleThreads) },
    { id: "mute", label: "actions.mute", keys: "Mod+M", can: some, run: on((active) => toggleMode(active, Mode.Never)) },
    { id: "bypass", label: "actions.bypass", keys: "Mod+B", can: some, run: on((active) => toggleMode(active, Mode.Bypass)) },
    { id: "collapse", label: "actions.collapse", keys: "Alt+C", can: some, run: on((active) => toggleFlag(active, "collapsed", setCollapsed)) },
    { id: "pin", label: "actions.pin", keys: "P", can: some, run: on((active) => toggleFlag(active, "pinned", setPinned)) },
    { id: "group", label: "actions.group", keys: "Mod+G", can: some, run: on(({ document, view }) => view.select([], [document.execute(groupNodes(view.scope, chosen(), t("steps.group")))])) },
    { id: "subgraph", label: "actions.subgraph", keys: "Mod+Shift+E", can: some, run: on(({ document, view }) => view.select([document.execute(makeSubgraph(view.scope, chosen(), t("shell.subgraph")))])) },
    { id: "unpack", label: "actions.unpack", can: () => instance() !== undefined, run: on(({ document, view }) => { const id = instance(); if (id !== undefined) view.select(document.execute(unpackSubgraph(view.scope, id))); }) },
    { id: "blueprint", label: "actions.blueprint", can: () => instance() !== undefined, run: on((active) => { const id = instance(); if (id !== undefined) app.blueprints.ask(active, active.scope, id, cornerOf(id)); }) },
    { id: "enter", label: "actions.enter", keys: "Enter", can: () => instance() !== undefined, run: on((active) => { const id = instance(); if (id !== undefined) active.goInto(id); }) },
    { id: "fields", label: "actions.fields", keys: "E", can: () => chosen().length === 1, run: on((active) => { const [id] = chosen(); if (id !== undefined) void writeIn(active, id); }) },
    { id: "wire", label: "actions.wire", keys: "C", can: () => chosen().length === 1, run: on((active) => { const [id] = chosen(); if (id !== undefined) wireFrom(app, active, id); }) },
    { id: "leave", label: "actions.leave", hint: "Escape", can: () => editor()?.scope !== ROOT, run: on((active) => active.go(active.trail.at(-2)?.graph ?? ROOT)) },
    { id: "arrange", label: "actions.arrange", keys: "Shift+L", run: on((active) => void arrangeChosen(app, active).catch((error: unknown) => app.fail(error))) },
    ...ALIGNMENTS.map((edge): Entry => ({ id: `align-${edge}`, label: `actions.align-${edge}`, can: () => chosen().length > 1, run: on((active) => alignChosen(active, edge)) })),
    { id: "fit", label: "actions.fit", keys: ".", run: on(({ stage, view }) => stage.fit(view.selection.nodes.size > 0 ? view.selection.nodes : undefined)) },
    { id: "zoom-in", label: "actions.zoom-in", keys: "Alt+=", run: on((active) => zoomBy(active, 1.25)) },
    { id: "zoom-out", label: "actions.zoom-out", keys: "Alt+-", run: on((active) => zoomBy(active, 0.8)) },
    { id: "zoom-one", label: "actions.zoom-one", keys: "Alt+0", run: on((active) => zoomBy(active, 1 / active.view.camera.scale)) },
    { id: "refresh", label: "actions.refresh", keys: "R", run: () => void app.refresh() },
    { id: "drawer-nodes", label: "actions.drawer-nodes", keys: "N", run: () => app.preferences.toggleDrawer("nodes") },
    { id: "drawer-models", label: "actions.drawer-models", keys: "M", run: () => app.preferences.toggleDrawer("models") },
    { id: "drawer-pictures", label: "actions.drawer-pictures", keys: "G", run: () => app.preferences.toggleDrawer("pictures") },
    { id: "drawer-packs", label: "actions.drawer-packs", run: () => app.preferences.toggleDrawer("packs") },
    { id: "drawer-workflows", label: "actions.drawer-workflows", keys: "W", run: () => app.preferences.toggleDrawer("workflows") },
    { id: "side", label: "actions.side", keys: "Q", run: () => app.preferences.toggleSide() },
    { id: "minimap", label: "actions.minimap", run: () => app.preferences.toggleMinimap() },
    { id: "theme", label: "actions.theme", run: () => app.preferences.setTheme(app.preferences.theme === "dark" ? "light" : "dark") },
    { id: "settings", label: "actions.settings", keys: "Mod+,", run: () => app.popups.show({ kind: "settings" }) },
    { id: "colours", label: "actions.colours", run: () => app.popups.show({ kind: "colours" }) },
    ...LANGUAGES.map(({ code, name }): Entry => ({ id: `language-${code}`, label: () => t("actions.language", { name }), can: () => currentLanguage().code !== code, run: () => void app.speak(code) })),
    { id: "language-auto", label: "actions.language-auto", can: () => app.preferences.language !== undefined, run: () => void app.speak(undefined) },
    { id: "threads", label: "actions.threads", keys: "L", run: () => app.preferences.setThreads(app.preferences.threads === "all" ? "chosen" : "all") },
    { id: "lock", label: "actions.lock", keys: "H", can: () => editor()?.stage.locked === false, run: on(({ stage }) => (stage.locked = true)) },
    { id: "unlock", label: "actions.unlock", keys: "V", can: () => editor()?.stage.locked === true, run: on(({ stage }) => (stage.locked = false)) },
    { id: "snap-guides", label: "actions.snap-guides", can: () => app.preferences.snap !== "guides", run: () => app.preferences.setSnap("guides") },
    { id: "snap-grid", label: "actions.snap-grid", can: () => app.preferences.snap !== "grid", run: () => app.preferences.setSnap("grid") },
    { id: "snap-none", label: "actions.snap-none", can: () => app.preferences.snap !== "none", run: () => app.preferences.setSnap("none") },
    { id: "troubles", label: "actions.troubles", keys: "Shift+P", run: () => app.popups.show({ kind: "troubles" }) },
    { id: "keys", label: "actions.keys", keys: "?", run: () => app.popups.show({ kind: "keys" }) },
  ];
  const own = table.map((action) => ({ ...action, get label() { return typeof action.label === "string" ? t(action.label) : action.label(); }, also: typeof action.label === "string" ? english(action.label) : "", get keys() { return app.preferences.keys[action.id] ?? action.keys; }, usual: action.keys }));
  return [...own, ...offersOf(app)];
}

/** What scripts of packs add; they may come later than whoever asks for actions. */
export function offersOf(app: App): readonly Action[] {
  return (app.extensions?.offers() ?? []).map((offer) => ({ ...offer, keys: app.preferences.keys[offer.id] ?? offer.keys, usual: offer.keys }));
}

/** Where a node's title stands in the window. */
function cornerOf(id: NodeId): Point {
  const box = document.querySelector(`[data-testid="node-${id}"]`)?.getBoundingClientRect();
  return [box?.left ?? 100, box?.top ?? 100];
}

/** Hide all threads that leave what is chosen, or show them if all are hidden. */
function toggleThreads({ document, view, stage }: Editor): void {
  const ends = [...view.selection.nodes].map((node) => ({ node }));
  const linked = ends.filter(({ node }) => linksFrom(stage.graph, node).length > 0);
  document.execute(hideThreads(view.scope, ends, !linked.every(({ node }) => hidesAll(stage.graph, node))));
}

export function clipboardOf({ document, view }: Editor): ClipboardData {
  return copy(document.state, view.scope, view.selection.nodes, document.defs, view.selection.groups);
}

async function copyChosen(editor: Editor): Promise<void> {
  await navigator.clipboard?.writeText(stringifyJson(clipboardOf(editor)));
}

export function removeChosen(editor: Editor): void {
  const { document, view, stage } = editor;
  const { nodes, groups } = view.selection;
  if (stage.links.size > 0 && nodes.size === 0 && groups.size === 0) return document.execute(disconnect(view.scope, stage.links));
  if (nodes.size === 0 && groups.size === 0) return;
  document.transaction("Delete", () => {
    document.execute(removeNodes(view.scope, nodes));
    document.execute(removeGroups(view.scope, groups));
  });
}

/** @returns false if the text is not of a clipboard of ours. */
export function pasteText(editor: Editor, text: string, at: Point | undefined, keepIncoming: boolean): boolean {
  if (!text.trimStart().startsWith("{")) return false;
  try {
    const data = parseJson(text);
    if (!isClipboardData(data)) return false;
    const pasted = editor.document.execute(paste(editor.view.scope, data, at, { keepIncoming }));
    editor.view.select(pasted.nodes, pasted.groups);
    return true;
  } catch {
    return false; // text that only looks like it
  }
}

/** Whether a text is a whole workflow or prompt. */
export function isWorkflowText(text: string): boolean {
  try {
    const data = parseJson(text);
    return isObject(data) && !isClipboardData(data) && ("nodes" in data || Object.values(data).some((value) => isObject(value) && "class_type" in value));
  } catch {
    return false;
  }
}

export function toggleMode({ document, view, stage }: Editor, mode: number): void {
  const nodes = [...view.selection.nodes];
  const all = nodes.every((id) => stage.graph.nodes.get(id)?.mode === mode);
  document.execute(setMode(view.scope, nodes, all ? Mode.Always : mode));
}

function toggleFlag({ document, view, stage }: Editor, flag: "collapsed" | "pinned", command: typeof setCollapsed): void {
  const nodes = [...view.selection.nodes];
  const all = nodes.every((id) => stage.graph.nodes.get(id)?.flags[flag] === true);
  document.execute(command(view.scope, nodes, !all));
}

/** By boxes as they are seen; what is pinned stays. */
function alignChosen({ document, view, stage }: Editor, edge: Edge): void {
  const free = [...view.selection.nodes].filter((id) => stage.graph.nodes.get(id)?.flags.pinned !== true);
  const seen = free.flatMap((id): Seen[] => {
    const rect = stage.layout.rect(id);
    return rect ? [[id, rect]] : [];
  });
  stage.layout.release(free);
  const places = [...aligned(seen, edge)].map(([id, [x, y]]): [NodeId, Point] => [id, [x, y + (stage.layout.box(id)?.header ?? 0)]]);
  document.execute(placeNodes(view.scope, places, `Align ${edge}`));
}

function zoomBy({ view, stage }: Editor, factor: number): void {
  view.setCamera(zoomed(view.camera, factor, [stage.size[0] / 2, stage.size[1] / 2]));
}
