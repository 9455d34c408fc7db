/** `api` as packs import it: the server's routes, and its messages as events. */
import type { Events, EventMap } from "../../client/events";
import type { App } from "../../app/app.svelte";
import type { Guard } from "../guard";
import type { Loose, Open } from "../loose";

/** Messages whose data go out as they came. */
const PLAIN = ["execution_start", "execution_cached", "execution_success", "execution_error", "execution_interrupted", "progress", "progress_state", "executed", "feature_flags"] as const;

export class ComfyApi extends EventTarget {
  [key: string]: Loose;
  api_host = location.host;
  api_base = location.pathname.replace(/\/+[^/]*$/, "");
  initialClientId: string | null = null;
  user = "";
  socket: Open = { readyState: 1, send() {}, addEventListener() {} };
  serverFeatureFlags: Open = {};
  /** What goes along with the prompt that is being queued: names, targets. */
  _send: ((prompt: Open) => Promise<Open>) | undefined;

  constructor(
    readonly _app: App,
    readonly _guard: Guard,
  ) {
    super();
  }

  get clientId(): string {
    return this._app.runner.parts.events.clientId;
  }

  override addEventListener(type: string, callback: Loose, options?: boolean | AddEventListenerOptions): void {
    super.addEventListener(type, callback, options);
  }
  dispatchCustomEvent(type: string, detail?: Loose): boolean {
    return this.dispatchEvent(new CustomEvent(type, { detail, cancelable: true }));
  }

  apiURL(route: string): string {
    if (route.startsWith("/api/")) return this.api_base + route;
    return `${this.api_base}/api${route.startsWith("/") ? "" : "/"}${route}`;
  }
  internalURL(route: string): string {
    return `${this.api_base}/internal${route}`;
  }
  fileURL(route: string): string {
    return this.api_base + route;
  }
  fetchApi(route: string, options: RequestInit = {}): Promise<Response> {
    return fetch(this.apiURL(route), { cache: "no-cache", ...options, headers: { ...(options.headers as Record<string, string>), "Comfy-User": this.user } });
  }
  async _json(route: string, body?: Loose, method = body === undefined ? "GET" : "POST"): Promise<Loose> {
    const response = await this.fetchApi(route, body === undefined ? { method } : { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
    const text = await response.text();
    return text === "" ? null : JSON.parse(text);
  }

  async getNodeDefs(): Promise<Open> {
    return this._json("/object_info");
  }
  async getExtensions(): Promise<string[]> {
    return this._json("/extensions");
  }
  async getEmbeddings(): Promise<string[]> {
    return this._json("/embeddings");
  }
  async getModelFolders(): Promise<Loose[]> {
    return this._json("/models");
  }
  async getModels(folder: string): Promise<Loose[]> {
    return this._json(`/models/${folder}`);
  }
  async viewMetadata(folder: string, model: string): Promise<Loose> {
    return this._json(`/view_metadata/${folder}?filename=${encodeURIComponent(model)}`);
  }
  async getSystemStats(): Promise<Loose> {
    return this._json("/system_stats");
  }
  async getQueue(): Promise<Open> {
    const { queue_running = [], queue_pending = [] } = (await this._json("/queue")) ?? {};
    const cancel = { name: "Cancel", cb: () => this.interrupt(null) };
    return { Running: queue_running.map((prompt: Loose) => ({ prompt, remove: cancel })), Pending: queue_pending.map((prompt: Loose) => ({ prompt })) };
  }
  async getHistory(most = 200): Promise<Open> {
    return { History: Object.values((await this._json(`/history?max_items=${most}`)) ?? {}) };
  }
  async getItems(type: string): Promise<Loose> {
    return type === "queue" ? this.getQueue() : this.getHistory();
  }
  async deleteItem(type: string, id: string): Promise<void> {
    await this._json(`/${type}`, { delete: [id] });
  }
  async clearItems(type: string): Promise<void> {
    await this._json(`/${type}`, { clear: true });
  }
  async interrupt(id: string | null = null): Promise<void> {
    await this._json("/interrupt", id === null ? {} : { prompt_id: id });
  }
  async freeMemory(): Promise<void> {
    await this._json("/free", { unload_models: true, free_memory: true });
  }

  /** @param number 0: at the end, -1: at the front. Packs wrap it, and may change what is sent. */
  async queuePrompt(number: number, prompt: Open, options?: Open): Promise<Open> {
    if (this._send) return this._send(prompt);
    const body: Open = { client_id: this.clientId, prompt: prompt.output, extra_data: { extra_pnginfo: { workflow: prompt.workflow } } };
    if (options?.partialExecutionTargets) body.partial_execution_targets = options.partialExecutionTargets;
    if (number === -1) body.front = true;
    else if (number !== 0) body.number = number;
    const response = await this.fetchApi("/prompt", { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
    if (response.status !== 200) throw Object.assign(new Error("The prompt was refused."), { response: await response.json() });
    return response.json();
  }

  async getSettings(): Promise<Open> {
    return this._json("/settings");
  }
  async getSetting(id: string): Promise<Loose> {
    return (await this.getSettings())[id];
  }
  async storeSettings(settings: Open): Promise<void> {
    await this._json("/settings", settings);
  }
  async storeSetting(id: string, value: Loose): Promise<void> {
    await this._json(`/settings/${encodeURIComponent(id)}`, value ?? null);
  }
  async getUserData(file: string, options?: RequestInit): Promise<Response> {
    return this.fetchApi(`/userdata/${encodeURIComponent(file)}`, options);
  }
  async storeUserData(file: string, data: Loose, { overwrite = true, stringify = true, throwOnError = true, full_info = false }: Open = {}): Promise<Response> {
    const response = await this.fetchApi(`/userdata/${encodeURIComponent(file)}?overwrite=${overwrite}&full_info=${full_info}`, { method: "POST", body: stringify ? JSON.stringify(data) : data });
    if (response.status !== 200 && throwOnError) throw new Error(`Could not write ${file}: ${response.status} ${response.statusText}`);
    return response;
  }
  async deleteUserData(file: string): Promise<Response> {
    return this.fetchApi(`/userdata/${encodeURIComponent(file)}`, { method: "DELETE" });
  }
  async moveUserData(from: string, to: string, { overwrite = false }: Open = {}): Promise<Response> {
    return this.fetchApi(`/userdata/${encodeURIComponent(from)}/move/${encodeURIComponent(to)}?overwrite=${overwrite}`, { method: "POST" });
  }
  async listUserDataFullInfo(dir: string): Promise<Loose[]> {
    const response = await this.fetchApi(`/userdata?dir=${encodeURIComponent(dir)}&recurse=true&split=false&full_info=true`);
    return response.ok ? response.json() : [];
  }
  async listUserData(dir: string, recurse = false, split = false): Promise<Loose[]> {
    const response = await this.fetchApi(`/userdata?dir=${encodeURIComponent(dir)}&recurse=${recurse}&split=${split}`);
    return response.ok ? response.json() : [];
  }

  serverSupportsFeature(name: string): boolean {
    return this.getServerFeature(name) === true;
  }
  getServerFeature(name: string, preset?: Loose): Loose {
    let found: Loose = this.serverFeatureFlags;
    for (const part of name.split(".")) found = found?.[part];
    return found ?? preset;
  }
  getServerFeatures(): Open {
    return { ...this.serverFeatureFlags };
  }
}

/** Tell packs what the server tells. */
export function forward(events: Events, api: ComfyApi, executed: (data: Open) => void): void {
  const tell = (type: string, detail: Loose): void => void api.dispatchCustomEvent(type, detail);
  for (const type of PLAIN) {
    events.on(type, (data: EventMap[typeof type]) => {
      if (type === "executed") executed(data as Open);
      if (type === "feature_flags") Object.assign(api.serverFeatureFlags, data);
      tell(type, data);
    });
  }
  events.on("status", (data) => tell("status", data.status));
  events.on("executing", (data) => {
    const { display_node, node } = data as unknown as Open;
    tell("executing", display_node ?? node ?? null);
  });
  events.on("text", ({ node, text }) => tell("progress_text", { nodeId: node, text }));
  events.on("preview", (data) => {
    const blob = new Blob([data.bytes], { type: data.mime });
    if (data.node !== undefined) {
      const detail = { blob, nodeId: data.node, displayNodeId: data.displayNode ?? data.node, parentNodeId: data.displayNode ?? data.node, realNodeId: data.node, jobId: data.prompt };
      tell("b_preview_with_metadata", detail);
    }
    tell("b_preview", blob);
  });
  events.on("other", ({ type, data }) => tell(type, data));
  events.on("connection", (connection) => {
    if (connection !== "lost") return;
    tell("status", null);
    tell("reconnecting", undefined);
  });
  events.on("reconnected", () => tell("reconnected", undefined));
}
