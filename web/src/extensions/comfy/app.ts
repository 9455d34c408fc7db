/** `app` as packs import it: the graph, the canvas, what is registered, and the flows that packs wrap. */
import type { LGraph } from "../litegraph/graph";
import type { Guard } from "../guard";
import type { Loose, Open } from "../loose";
import type { Reports } from "../report";
import type { ComfyApi } from "./api";

/** What is behind the flows: the canvas does them, packs only wrap them. */
export interface Flows {
  prompt(graph?: LGraph): Promise<Open>;
  /** Queue what is on the canvas. @returns whether it was taken. */
  queue(front: boolean, batch: number, only: readonly string[] | undefined): Promise<boolean>;
  open(data: Open | undefined, name: string | undefined): Promise<void>;
  openPrompt(data: Open, name: string): Promise<void>;
  openFile(file: File): Promise<void>;
  refresh(): Promise<void>;
  clear(): void;
  fit(): void;
}

/** Hooks that are awaited; all others are called and done with. */
const AWAITED = new Set(["init", "setup", "addCustomNodeDefs", "getCustomWidgets", "beforeRegisterNodeDef", "registerCustomNodes", "beforeConfigureGraph", "afterConfigureGraph", "refreshComboInNodes"]);

export class ComfyApp {
  [key: string]: Loose;
  static clipspace: Loose = null;
  static clipspace_return_node: Loose = null;
  static clipspace_invalidate_handler: Loose = null;
  static open_maskeditor(): void {}
  /** What an editor of a pack has made goes back into the node that it came from. */
  static onClipspaceEditorSave(): void {
    if (ComfyApp.clipspace_return_node) ComfyApp.pasteFromClipspace(ComfyApp.clipspace_return_node);
  }
  static onClipspaceEditorClosed(): void {
    ComfyApp.clipspace_return_node = null;
  }
  static copyToClipspace(node: Loose): void {
    ComfyApp.clipspace = { widgets: node.widgets?.map(({ type, name, value }: Open) => ({ type, name, value })) ?? null, imgs: node.imgs ?? null, original_imgs: node.imgs ?? null, images: node.images ?? null, selectedIndex: node.imageIndex ?? 0, img_paste_mode: "selected" };
  }
  static pasteFromClipspace(node: Loose): void {
    const { imgs, images, widgets } = ComfyApp.clipspace ?? {};
    if (imgs) node.imgs = imgs;
    if (images) node.images = images;
    for (const { type, name, value } of widgets ?? []) {
      const widget = node.widgets?.find((each: Open) => each.type === type && each.name === name);
      if (widget) widget.value = value;
    }
  }
  extensions: Open[] = [];
  rootGraph: Loose = undefined;
  canvas: Loose = undefined;
  canvasEl: Loose = undefined;
  ui: Loose = undefined;
  menu: Loose = undefined;
  extensionManager: Loose = undefined;
  nodeOutputs: Open = {};
  nodePreviewImages: Open = {};
  widgets: Open = {};
  configuringGraph = false;
  runningNodeId: Loose = null;
  lastNodeErrors: Loose = null;
  lastExecutionError: Loose = null;
  progress: Loose = null;
  shiftDown = false;
  dragOverNode: Loose = null;
  vueAppReady = true;
  storageLocation = "server";
  isNewUserSession = false;
  queueItems: Loose[] = [];
  processingQueue = false;

  constructor(
    public api: ComfyApi,
    readonly _guard: Guard,
    readonly _reports: Reports,
    readonly _flows: Flows,
    readonly _registered: (extension: Open) => void,
  ) {}

  get graph(): Loose {
    return this.rootGraph;
  }
  set graph(graph: Loose) {
    this.rootGraph = graph;
  }
  get ctx(): Loose {
    return this.canvasEl?.getContext?.("2d");
  }

  registerExtension(extension: Open): void {
    if (!extension?.name) throw new Error("Extensions must have a 'name' property.");
    if (this.extensions.some(({ name }) => name === extension.name)) throw new Error(`Extension named '${extension.name}' already registered.`);
    this.extensions.push(extension);
    this._registered(extension);
  }

  /** Call a hook of all extensions, in the order in which they came. */
  _invoke(hook: string, ...args: Loose[]): Loose[] {
    return this.extensions.flatMap((extension) => {
      if (typeof extension[hook] !== "function") return [];
      return [this._guard.run(() => extension[hook](...args, this), `${hook} of ${extension.name}`, extension)];
    });
  }
  /** The same where it is waited for; what is rejected is told and passed over. */
  async _invokeAsync(hook: string, ...args: Loose[]): Promise<Loose[]> {
    if (!AWAITED.has(hook)) throw new Error(`${hook} is not waited for.`);
    const results = await Promise.allSettled(this._invoke(hook, ...args));
    return results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  }

  async graphToPrompt(graph?: LGraph): Promise<Open> {
    return this._flows.prompt(graph);
  }
  async queuePrompt(number = 0, batchCount = 1, only?: Loose): Promise<boolean> {
    const ids: Loose = Array.isArray(only) ? only : only?.queueNodeIds;
    return this._flows.queue(number === -1, batchCount, ids?.map(String));
  }
  async loadGraphData(data?: Open | string, _clean = true, _restore = true, workflow: Loose = null): Promise<void> {
    const given: Loose = typeof data === "string" ? JSON.parse(data) : data;
    await this._invokeAsync("beforeConfigureGraph", given ?? {}, []);
    await this._flows.open(given, typeof workflow === "string" ? workflow : workflow?.path);
    await this._invokeAsync("afterConfigureGraph", []);
  }
  async loadApiJson(data: Open, name: string): Promise<void> {
    await this._flows.openPrompt(data, name);
  }
  async handleFile(file: File): Promise<void> {
    await this._flows.openFile(file);
  }
  async refreshComboInNodes(): Promise<void> {
    await this._flows.refresh();
  }
  async reloadNodeDefs(): Promise<void> {
    await this._flows.refresh();
  }
  clean(): void {
    this.nodeOutputs = {};
    this.nodePreviewImages = {};
    this.lastNodeErrors = this.lastExecutionError = null;
  }
  resetView(): void {
    this._flows.fit();
  }
  async getNodeDefs(): Promise<Open> {
    return this.api.getNodeDefs();
  }
  getPreviewFormatParam(): string {
    return "";
  }
  getRandParam(): string {
    return `&rand=${Math.random()}`;
  }
  openClipspace(): void {
    this._reports.unsupported("app.openClipspace");
  }
  clientPosToCanvasPos([x = 0, y = 0]: number[]): number[] {
    return this.canvas.convertEventToCanvasOffset({ clientX: x, clientY: y });
  }
  canvasPosToClientPos(pos: number[]): number[] {
    const [x = 0, y = 0] = this.canvas.convertOffsetToCanvas(pos);
    const { left, top } = this.canvasEl.getBoundingClientRect();
    return [x + left, y + top];
  }
  showErrorOnFileLoad(): void {}
  showMissingNodesError(): void {}
}
