/** `app.ui`, `app.menu` and `app.extensionManager`: the window around the canvas, as packs reach for it. */
import type { App } from "../../app/app.svelte";
import type { Loose, Open } from "../loose";
import type { Reports } from "../report";
import { $el, ComfyButtonGroup, ComfyDialog } from "./elements";
import { renderMarkdown } from "./markdown";
import type { ComfySettings } from "./settings";

/** @param toolbar where buttons of packs stand. */
export function makeUi(app: App, settings: ComfySettings, comfy: () => Loose): Open {
  const menuContainer = $el("div.comfy-menu", { hidden: true, parent: document.body }, [
    $el("button", { id: "comfy-refresh-button", onclick: () => comfy().refreshComboInNodes() }),
    $el("input", { id: "autoQueueCheckbox", type: "checkbox" }),
    $el("button", { id: "comfy-save-button" }),
    $el("button", { id: "comfy-load-button" }),
    $el("button", { id: "comfy-clear-button" }),
    $el("button", { id: "queue-button", onclick: () => comfy().queuePrompt(0) }),
    $el("button", { id: "comfy-load-default-button", onclick: () => comfy().loadGraphData() }),
    $el("button.comfy-settings-btn", { onclick: () => settings.show() }),
    $el("div.comfy-list", { id: "comfy-view-queue-button" }),
    $el("input", { id: "comfy-file-input", type: "file", accept: ".json,image/png,image/webp", onchange: ({ target }: Loose) => target.files[0] && comfy().handleFile(target.files[0]) }),
  ]);
  return {
    app: comfy(),
    settings,
    dialog: new ComfyDialog(),
    menuContainer,
    queue: { element: $el("div"), update() {} },
    history: { element: $el("div"), update() {} },
    get lastQueueSize() { return app.runner.runs.queueRemaining; },
    set lastQueueSize(_size: number) {},
    queueSize: $el("span"),
    get batchCount() { return app.runner.batch; },
    set batchCount(count: number) { app.runner.batch = Math.max(1, count); },
    autoQueueEnabled: false,
    autoQueueMode: "disabled",
    graphHasChanged: false,
    loadFile: () => document.querySelector<HTMLInputElement>("#open-file")?.click(),
    setStatus() {},
  };
}

/** Places at the window's edges, where packs put bars of their own: the window gives them the room that they take. */
export function makeEdges(comfy: Open): void {
  document.body.classList.add("weft-grid"); // some lay bars over the window unless the page's body tells of a grid
  for (const edge of ["top", "bottom", "left", "right"] as const) {
    const place = $el(`div.comfyui-body-${edge}`, { parent: document.body });
    comfy[`body${edge[0]?.toUpperCase()}${edge.slice(1)}`] = place;
    const across = edge === "left" || edge === "right";
    new ResizeObserver(() => document.documentElement.style.setProperty(`--edge-${edge}`, `${across ? place.offsetWidth : place.offsetHeight}px`)).observe(place);
  }
}

export function makeMenu(toolbar: HTMLElement): Open {
  const group = (): Loose => {
    const made = new ComfyButtonGroup();
    toolbar.append(made.element);
    return made;
  };
  const [actionsGroup, settingsGroup, viewGroup] = [group(), group(), group()];
  return { element: toolbar, actionsGroup, settingsGroup, viewGroup };
}

export interface Tabs {
  add(tab: Open): void;
  remove(id: string): void;
}

export function makeManager(app: App, settings: ComfySettings, reports: Reports, tabs: Tabs, commands: ReadonlyMap<string, Open>): Open {
  const toast = {
    add({ severity, summary, detail }: Open): void {
      app.popups.tell([summary, detail].filter(Boolean).join(": "), { bad: severity === "error" || severity === "warn" });
    },
    remove(): void {},
    removeAll(): void {},
    addAlert(message: string): void {
      app.popups.tell(message, { bad: true });
    },
  };
  const ask = ({ title = "", message = "", defaultValue = "" }: Open): Promise<string | null> =>
    new Promise((resolve) => {
      const dialog: Loose = new ComfyDialog("div", [
        $el("button", { type: "button", textContent: "OK", onclick: () => { dialog.close(); resolve(field.value); } }),
        $el("button", { type: "button", textContent: "✕", onclick: () => { dialog.close(); resolve(null); } }),
      ]);
      const field = $el("input", { type: "text", value: defaultValue }) as HTMLInputElement;
      dialog.show([$el("b", { textContent: title }), $el("p", { textContent: message }), field]);
      field.focus();
    });
  return {
    toast,
    dialog: {
      prompt: ask,
      confirm: async ({ title = "", message = "" }: Open) => confirm([title, message].filter(Boolean).join("\n")),
      showErrorDialog(error: Loose, { title = "" }: Open = {}) { app.popups.tell([title, error?.message ?? String(error)].filter(Boolean).join(": "), { bad: true }); },
    },
    setting: { get: (id: string) => settings.getSettingValue(id), set: (id: string, value: Loose) => settings.setSettingValueAsync(id, value), settings: settings.settingsValues },
    command: {
      get commands() { return [...commands.values()]; },
      execute: async (id: string) => {
        const command = commands.get(id);
        if (command) return command.function?.();
        reports.unsupported(`command ${id}`);
        return undefined;
      },
      registerCommand: (command: Open) => (commands as Map<string, Open>).set(command.id, command),
    },
    registerSidebarTab: (tab: Open) => tabs.add(tab),
    unregisterSidebarTab: (id: string) => tabs.remove(id),
    getSidebarTabs: () => [],
    sidebarTab: { activeSidebarTab: null, sidebarTabs: [], registerSidebarTab: (tab: Open) => tabs.add(tab), unregisterSidebarTab: (id: string) => tabs.remove(id) },
    bottomPanel: { registerBottomPanelTab: (tab: Open) => tabs.add(tab), toggleBottomPanel() {} },
    workflow: {
      get activeWorkflow() {
        const editor = app.active;
        return editor && { path: editor.path ?? `workflows/${editor.name}.json`, filename: editor.name, key: editor.id, isModified: editor.dirty, changeTracker: { checkState() { editor.document.seal(); }, beforeChange() {}, afterChange() {} }, activeState: {} };
      },
      get openWorkflows() { return app.editors.map(({ id, name, path }) => ({ key: id, filename: name, path })); },
    },
    queueSettings: { mode: "disabled", batchCount: 1 },
    colorPalette: { get completedActivePalette() { return { id: app.preferences.theme, light_theme: app.preferences.theme === "light" }; } },
    renderMarkdownToHtml: (markdown: string) => renderMarkdown(markdown),
    get lastNodeErrors() { return null; },
    get spinner() { return false; },
    set spinner(_on: boolean) {},
    focusMode: false,
    shiftDown: false,
  };
}
