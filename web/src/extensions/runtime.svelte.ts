/** Scripts of packs at work: boots them in the field's order, then keeps the open workflow's views alive. */
import type { App } from "../app/app.svelte";
import type { Editor } from "../app/editor.svelte";
import type { ExtendedMenu, Extensions, PackSetting, Panel, RunOptions } from "../app/extending";
import type { Face, ExtraField } from "../canvas/node-box";
import { type JsonObject, type NodeDefs, type NodeId, openJson } from "../graph";
import { ComfyApi, forward } from "./comfy/api";
import { ComfyApp, type Flows } from "./comfy/app";
import { STYLES, VARIABLES } from "./comfy/elements";
import { modulesOf } from "./comfy/modules";
import { ComfySettings } from "./comfy/settings";
import { makeEdges, makeManager, makeMenu, makeUi } from "./comfy/ui";
import { makeWidgets } from "./comfy/widgets";
import { Guard } from "./guard";
import { LGraphCanvas, refuse } from "./litegraph/canvas";
import { LGraph } from "./litegraph/graph";
import { makeLiteGraph } from "./litegraph/litegraph";
import type { Loose, Open } from "./loose";
import { commandsOf, menuOf, openOwnMenu } from "./offers";
import { Binding } from "./mirror/binding";
import { promptOf } from "./prompt";
import { Registry } from "./registry";
import { Reports, type ScriptReport, packIn } from "./report";
import { fieldsOf } from "./surface/fields";
import { Surfaces } from "./surface/surfaces";
import { viewOf } from "./view";
import { WeftFace } from "./weft";

/** A script that has not loaded by then is told of, and the canvas opens without it. */
const PATIENCE_MS = 10_000;

/** Until the server is told how scripts fared. */
const TELL_MS = 1500;

export class Runtime implements Extensions {
  reports = $state.raw<Readonly<Record<string, ScriptReport>>>({});
  panels = $state.raw<readonly Panel[]>([]);
  packSettings = $state.raw<readonly PackSetting[]>([]);
  readonly toolbar = document.createElement("div");
  readonly told = new Reports();
  readonly guard = new Guard(this.told);
  readonly lite = makeLiteGraph();
  readonly api: ComfyApi;
  readonly comfy: ComfyApp;
  readonly settings: ComfySettings;
  readonly commands = new Map<string, Open>();
  readonly registry: Registry;
  readonly surfaces: Surfaces;
  readonly own: WeftFace;
  readonly element = document.createElement("canvas");
  readonly root = new LGraph();
  #binding: Binding | undefined;
  #canvas: LGraphCanvas | undefined;
  /** Rows and faces as nodes were measured with last. */
  readonly #rows = new WeakMap<Open, readonly [readonly ExtraField[] | undefined, Face | undefined]>();
  #telling: ReturnType<typeof setTimeout> | undefined;
  #opening: (() => Promise<void>) | undefined;
  #queued: ((editor: Editor) => Promise<number>) | undefined;

  constructor(readonly app: App) {
    this.api = new ComfyApi(app, this.guard);
    this.settings = new ComfySettings(this.api, this.guard, () => app.popups.show({ kind: "settings" }));
    this.settings._changed = together(() => (this.packSettings = this.settings._shown()));
    this.comfy = new ComfyApp(this.api, this.guard, this.told, this.#flows(), (extension) => this.#register(extension));
    this.registry = new Registry(this.comfy, this.lite, this.guard);
    this.surfaces = new Surfaces(this.guard, () => this.#canvas, (node) => this.#remeasure(node), (node) => this.own.looksOf(node));
    this.own = new WeftFace(this);
    this.toolbar.className = "weft-toolbar";
    this.element.className = "graph-canvas-container lgraphcanvas";
    this.element.id = "graph-canvas";
    this.told.changed = () => {
      queueMicrotask(() => (this.reports = this.told.all()));
      this.#tellServer();
    };
  }

  /** The pack's report is the server's: it is told once things have come to rest. */
  #tellServer(): void {
    clearTimeout(this.#telling);
    this.#telling = setTimeout(() => {
      for (const [pack, report] of Object.entries(this.told.all())) void this.app.client.post(`weft/packs/${encodeURIComponent(pack)}/scripts`, { ...report }).catch(() => undefined); // it stands in the console too
    }, TELL_MS);
  }

  get canvas(): LGraphCanvas | undefined {
    return this.#canvas;
  }
  get binding(): Binding | undefined {
    return this.#binding;
  }

  // Boot: the order that packs know

  async boot(addresses: readonly string[], objectInfo: JsonObject): Promise<void> {
    await this.settings.load();
    Object.assign(this.comfy.widgets, makeWidgets());
    this.comfy.ui = makeUi(this.app, this.settings, () => this.comfy);
    this.comfy.menu = makeMenu(this.toolbar);
    makeEdges(this.comfy);
    this.comfy.extensionManager = makeManager(this.app, this.settings, this.told, { add: (tab) => this.addPanel(tab), remove: (id) => (this.panels = this.panels.filter((panel) => panel.id !== id)) }, this.commands);
    this.#publish();
    await Promise.all(addresses.filter((address) => !address.includes("/extensions/core/")).map((address) => this.#load(address)));
    this.#canvas = new LGraphCanvas(this.element, viewOf(this));
    Object.assign(this.comfy, { rootGraph: this.root, canvas: this.#canvas, canvasEl: this.element });
    this.root.attachCanvas(this.#canvas);
    forward(this.app.runner.parts.events, this.api, (data) => this.#executed(data));
    await this.comfy._invokeAsync("init");
    await this.registry.register(objectInfo, this.own.widgets);
    await this.comfy._invokeAsync("setup");
    await this.own.setUp();
    Object.assign(window, { app: this.comfy, graph: this.root });
    this.#follow();
  }

  #publish(): void {
    const style = document.createElement("style");
    style.textContent = STYLES + VARIABLES;
    document.head.append(style);
    this.#wear();
    refuse(LGraphCanvas.prototype as Open, (name) => this.told.unsupported(name));
    const { lite } = this;
    Object.assign(window, { LiteGraph: lite, LGraph, LGraphNode: lite.LGraphNode, LGraphCanvas, LGraphGroup: lite.LGraphGroup, LLink: lite.LLink, DragAndScale: lite.DragAndScale, ContextMenu: lite.ContextMenu, LGraphBadge: lite.LGraphBadge });
    (window as Loose).weftExtensions = this.own.exports;
    (window as Loose).comfyAPI = modulesOf({ app: this.comfy, api: this.api, widgets: this.comfy.widgets, lite, unsupported: (name) => this.told.unsupported(name) });
  }

  /** What packs draw with is the theme's. */
  #wear(): void {
    const style = getComputedStyle(document.documentElement);
    const role = (name: string): string => style.getPropertyValue(name).trim();
    const { lite } = this;
    const roles = { WIDGET_BGCOLOR: "--inset", WIDGET_OUTLINE_COLOR: "--line", WIDGET_TEXT_COLOR: "--text", WIDGET_SECONDARY_TEXT_COLOR: "--soft", WIDGET_DISABLED_TEXT_COLOR: "--faint", NODE_TEXT_COLOR: "--soft", NODE_DEFAULT_BGCOLOR: "--raised" };
    for (const [key, name] of Object.entries(roles)) lite[key] = role(name) || lite[key];
    this.surfaces.redraw();
  }

  async #load(address: string): Promise<void> {
    const pack = packIn(`${address}/`) ?? address;
    const late = new Promise<never>((_resolve, reject) => setTimeout(() => reject(new Error(`not loaded after ${PATIENCE_MS / 1000} s`)), PATIENCE_MS));
    try {
      await Promise.race([import(/* @vite-ignore */ new URL(address, location.href).href), late]);
      this.told.loaded(pack);
    } catch (error) {
      this.told.failed(pack, `loading ${address}`, error);
    }
  }

  #register(extension: Open): void {
    for (const command of extension.commands ?? []) this.commands.set(command.id, { ...command, keys: commandKeys(extension, command.id) });
    for (const setting of extension.settings ?? []) this.settings.addSetting(setting);
    for (const tab of extension.bottomPanelTabs ?? []) this.addPanel(tab);
    for (const { icon, label, tooltip, onClick } of extension.actionBarButtons ?? []) {
      const button = new (window as Loose).comfyAPI.button.ComfyButton({ icon, content: label, tooltip, action: onClick });
      this.toolbar.append(button.element);
    }
  }

  addPanel({ id, title, tooltip, type, render, destroy }: Open): void {
    if (type !== "custom" || typeof render !== "function") return this.told.unsupported(`a panel of type ${type}`);
    const panel: Panel = {
      id: String(id),
      title: String(title ?? tooltip ?? id),
      mount: (host) => {
        this.guard.run(() => render(host), `render of ${id}`);
        return () => this.guard.run(() => destroy?.(), `destroy of ${id}`);
      },
    };
    this.panels = [...this.panels.filter((other) => other.id !== panel.id), panel];
  }

  /** The views belong to the workflow on screen. */
  #follow(): void {
    $effect.root(() => {
      $effect(() => this.#bind(this.app.active));
      $effect(() => {
        void this.app.preferences.theme;
        void this.app.preferences.colours;
        this.#wear();
      });
    });
  }

  #bind(editor: Editor | undefined): void {
    if (this.#binding?.editor === editor) return;
    this.#binding?.close();
    this.#binding = undefined;
    if (!editor) return;
    const binding = new Binding({
      guard: this.guard,
      lite: this.lite,
      root: this.root,
      canvas: () => this.#canvas,
      loading: (on) => (this.comfy.configuringGraph = on),
      loaded: (node) => this.comfy._invoke("loadedGraphNode", node),
      openFile: (data) => void this.#open(data, undefined),
      redraw: (node) => this.surfaces.redraw(node),
      shaped: (nodes) => this.#shaped(nodes),
      viewUrl: (file) => this.app.client.viewUrl(file),
      unsupported: (name) => this.told.unsupported(name),
    }, editor);
    this.#binding = binding;
    void this.comfy._invokeAsync("beforeConfigureGraph", {}, []).then(() => {
      if (this.#binding !== binding) return;
      binding.open();
      editor.stage.rebuild();
      void this.comfy._invokeAsync("afterConfigureGraph", []);
    });
  }

  #executed({ display_node, node, output }: Open): void {
    const id = String(display_node ?? node);
    this.comfy.nodeOutputs[id] = output;
    const view = this.#binding?.locate(id);
    if (!view || !output) return;
    if (Array.isArray(output.images)) Object.assign(view, { images: output.images, _imgs: undefined, imageIndex: null });
    this.guard.call(view, "onExecuted", output);
    this.surfaces.redrawSoon(view);
    this.#remeasure(view);
  }

  #remeasure(node: Open): void {
    queueMicrotask(() => this.#shaped([node]));
  }

  /** Measure those again whose rows have become others. */
  #shaped(nodes: readonly Open[]): void {
    const binding = this.#binding;
    if (!binding) return;
    const here = nodes.filter((node) => node.graph?.id === binding.editor.view.scope);
    const changed = here.filter((node) => {
      const rows = this.#rowsOf(binding, node);
      const mark = [rows, this.faceOf(binding.editor, node.id as NodeId)] as const;
      const before = this.#rows.get(node);
      this.#rows.set(node, mark);
      return !before || before[1] !== mark[1] || !sameRows(before[0], rows);
    });
    if (changed.length > 0) binding.editor.stage.remeasure(changed.map(({ id }) => id as NodeId));
  }
  #rowsOf(binding: Binding, node: Open): readonly ExtraField[] | undefined {
    return this.guard.run(() => fieldsOf(binding, this.surfaces, node), "a node's rows", node);
  }

  // What the canvas asks

  defs(): NodeDefs {
    return this.registry.defs();
  }
  async refresh(objectInfo: JsonObject): Promise<NodeDefs> {
    await this.registry.refresh(objectInfo);
    return this.registry.defs();
  }
  #viewOf(editor: Editor, id: NodeId): Loose {
    const binding = this.#binding;
    return binding?.editor === editor ? binding.views.get(editor.view.scope)?.getNodeById(id) : undefined;
  }
  fieldsOf(editor: Editor, id: NodeId): readonly ExtraField[] | undefined {
    const node = this.#viewOf(editor, id);
    return node && this.#binding && this.#rowsOf(this.#binding, node);
  }
  faceOf(editor: Editor, id: NodeId): Face | undefined {
    const node = this.#viewOf(editor, id);
    const wanted = node && ["onDrawForeground", "onDrawBackground", "onMouseDown", "onMouseMove", "onMouseUp", "onMouseEnter", "onMouseLeave", "onDblClick", "onDragOver", "onDragDrop"].some((name) => typeof node[name] === "function");
    return wanted || (node && this.own.looksOf(node).length > 0) ? this.surfaces.node(node) : undefined;
  }
  menuOf(editor: Editor, id: NodeId | undefined, at: readonly [number, number]): readonly ExtendedMenu[] {
    return menuOf(this, id === undefined ? undefined : this.#viewOf(editor, id), at);
  }
  ownMenu(editor: Editor, id: NodeId | undefined, place: readonly [number, number], event: MouseEvent): boolean {
    return openOwnMenu(this, id === undefined ? undefined : this.#viewOf(editor, id), place, event);
  }
  offers(): ReturnType<Extensions["offers"]> {
    return commandsOf(this);
  }
  attach(host: HTMLElement): () => void {
    const { element } = this;
    host.append(element);
    // Packs reckon with its size, though nothing is drawn on it.
    const observer = new ResizeObserver(() => Object.assign(element, { width: host.clientWidth, height: host.clientHeight }));
    observer.observe(host);
    return () => {
      observer.disconnect();
      element.remove();
    };
  }

  /** Through `app.handleFile`, which packs wrap to take files of their own kinds. */
  async openFile(file: File, plain: () => Promise<void>): Promise<void> {
    this.#opening = plain;
    try {
      await this.comfy.handleFile(file);
    } finally {
      this.#opening = undefined;
    }
  }

  // Running

  /** Through `app.queuePrompt`, which packs wrap. @returns how many were queued. */
  async run(editor: Editor, options: RunOptions, queue: (options: RunOptions) => Promise<number>): Promise<number> {
    let queued = 0;
    this.#queued = async () => (queued = await queue(options));
    try {
      await this.comfy.queuePrompt(options.front ? -1 : 0, this.app.runner.batch, options.only?.map((id) => editor.executionId(id)));
    } finally {
      this.#queued = undefined;
    }
    return queued;
  }
  async build(): Promise<Open> {
    for (const node of this.#binding?.all() ?? []) for (const widget of node.widgets ?? []) this.guard.call(widget, "beforeQueued");
    return this.comfy.graphToPrompt(this.root);
  }
  async send(number: number, built: Open, post: (built: Open) => Promise<Open>): Promise<void> {
    this.api._send = post;
    try {
      this.api.dispatchCustomEvent("promptQueueing", { requestId: 0, batchCount: 1 });
      await this.api.queuePrompt(number, built);
      this.api.dispatchCustomEvent("promptQueued", { number, batchCount: 1 });
    } finally {
      this.api._send = undefined;
    }
    for (const node of this.#binding?.all() ?? []) for (const widget of node.widgets ?? []) this.guard.call(widget, "afterQueued", {});
    this.surfaces.redraw(); // scripts write into their widgets what they have sent
  }

  async #open(data: Open | undefined, name: string | undefined): Promise<void> {
    if (!data) return this.app.openTemplate();
    const parsed = openJson(structuredClone(data) as JsonObject, this.app.defs);
    this.app.openState(parsed.state, name ?? this.app.active?.name ?? "", parsed.camera);
  }

  #flows(): Flows {
    const { app } = this;
    return {
      prompt: async () => (this.#binding ? promptOf(this.#binding) : { workflow: {}, output: {} }),
      queue: async (_front, _batch, only) => {
        const editor = app.active;
        if (!editor) return false;
        if (this.#queued) return (await this.#queued(editor)) > 0;
        const ids = only?.flatMap((id) => editor.nodeId(id) ?? []);
        return (await app.runner.runHere(editor, { front: _front, ...(ids && { only: ids }) })) > 0;
      },
      open: (data, name) => this.#open(data, name),
      openPrompt: (data, name) => this.#open(data, name),
      openFile: (file) => (this.#opening ? this.#opening() : app.openFileHere(file)),
      refresh: () => app.refresh(),
      clear: () => this.root.clear(),
      fit: () => app.active?.stage.fit(),
    };
  }
}

/** Many changes of one turn are one. */
function together(work: () => void): () => void {
  let waits = false;
  return () => {
    if (waits) return;
    waits = true;
    queueMicrotask(() => {
      waits = false;
      work();
    });
  };
}

function sameRows(a: readonly ExtraField[] | undefined, b: readonly ExtraField[] | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((row, index) => {
    const other = b[index];
    return row.height === other?.height && row.grows === other.grows && row.face === other.face && row.entry.key === other.entry.key && row.entry.label === other.entry.label && JSON.stringify(row.entry.widget, plain) === JSON.stringify(other.entry.widget, plain);
  });
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

function commandKeys(extension: Open, id: string): string | undefined {
  const combo = extension.keybindings?.find((binding: Open) => binding.commandId === id)?.combo;
  if (!combo) return undefined;
  const key = String(combo.key);
  return [combo.ctrl && "Mod", combo.alt && "Alt", combo.shift && "Shift", key.length === 1 ? key.toUpperCase() : key].filter(Boolean).join("+");
}

export async function boot(app: App, addresses: readonly string[], objectInfo: JsonObject): Promise<Extensions> {
  const runtime = new Runtime(app);
  await runtime.boot(addresses, objectInfo);
  return runtime;
}
