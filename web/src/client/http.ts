/** The server's routes as typed calls. */
import { parseJson, stringifyJson } from "../graph/json";
import { type NodeDefs, parseNodeDefs } from "../graph/defs";
import type { JsonObject, JsonValue } from "../graph/types";
import { isArray, isObject } from "../graph/values";
import type {
  FileRef,
  Folder,
  Goal,
  History,
  JobDetail,
  JobPage,
  JobQuery,
  MemoryPlan,
  PromptAccepted,
  PromptId,
  PromptRejected,
  PromptRequest,
  Queue,
  Retried,
  SamplerTable,
  ServerStatus,
  SystemStats,
  UserFile,
  DeletedFile,
  Version,
  VersionConflict,
  VersionedText,
} from "./wire";

/** The server said no, or could not be reached (`status` 0). The message is what the server said; where it said nothing, `unsaid` tells why. */
export class HttpError extends Error {
  override name = "HttpError";

  constructor(
    message: string,
    readonly status: number,
    readonly body: JsonValue = null,
    options?: ErrorOptions,
    /** The server gave no words: who shows this has them. */
    readonly unsaid?: { readonly why: "unexpected" | "no-answer" | "refused"; readonly route: string },
  ) {
    super(message, options);
  }
}

export interface ClientOptions {
  /** Address of the page's folder, with or without a slash at the end: "http://127.0.0.1:8188/". */
  readonly base: string;
  readonly fetch?: typeof fetch;
}

/** How the server took a prompt. */
export type QueueAnswer =
  ({ readonly accepted: true } & PromptAccepted) | ({ readonly accepted: false } & PromptRejected);

export class Client {
  readonly #base: URL;
  readonly #fetch: typeof fetch;

  constructor(options: ClientOptions) {
    this.#base = new URL(options.base.endsWith("/") ? options.base : `${options.base}/`);
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
  }

  /** Every node the server knows. */
  async nodeDefs(): Promise<NodeDefs> {
    return parseNodeDefs(await this.objectInfo());
  }

  async objectInfo(): Promise<JsonObject> {
    return this.#object("object_info");
  }

  /** @throws HttpError if the server neither takes the prompt nor says what is wrong with it. */
  async queuePrompt(request: PromptRequest): Promise<QueueAnswer> {
    try {
      const answer = await this.#post("prompt", request as unknown as JsonObject);
      return { accepted: true, ...(answer as unknown as PromptAccepted) };
    } catch (error) {
      const body = error instanceof HttpError && error.status === 400 ? error.body : null;
      if (!isObject(body) || !isObject(body.error)) throw error;
      return { accepted: false, ...({ node_errors: {}, ...body } as unknown as PromptRejected) };
    }
  }

  /** Stop what runs; with an id, only if that is what runs. */
  async interrupt(prompt?: PromptId): Promise<void> {
    await this.#post("interrupt", prompt === undefined ? {} : { prompt_id: prompt });
  }

  async queue(): Promise<Queue> {
    return (await this.#object("queue")) as unknown as Queue;
  }

  async history(query: { readonly maxItems?: number; readonly offset?: number } = {}): Promise<History> {
    return (await this.#object(
      `history${search({ max_items: query.maxItems, offset: query.offset })}`,
    )) as unknown as History;
  }

  /** One run's entry alone; empty while it waits or runs. */
  async historyOf(prompt: PromptId): Promise<History> {
    return (await this.#object(`history/${encodeURIComponent(prompt)}`)) as unknown as History;
  }

  async removeHistory(prompts: readonly PromptId[]): Promise<void> {
    await this.#post("history", { delete: prompts });
  }

  async clearHistory(): Promise<void> {
    await this.#post("history", { clear: true });
  }

  async jobs(query: JobQuery = {}): Promise<JobPage> {
    const order = query.oldestFirst === true ? "asc" : undefined;
    const text = search({ status: query.status?.join(","), sort_order: order, limit: query.limit, offset: query.offset });
    return (await this.#object(`jobs${text}`)) as unknown as JobPage;
  }

  async job(prompt: PromptId): Promise<JobDetail> {
    return (await this.#object(`jobs/${encodeURIComponent(prompt)}`)) as unknown as JobDetail;
  }

  /** End jobs that wait or run; they stay in the history. @returns whether any was there to end. */
  async cancelJobs(prompts: readonly PromptId[]): Promise<boolean> {
    const answer = await this.#post("jobs/cancel", { job_ids: prompts });
    return isObject(answer) && answer.cancelled === true;
  }

  /** Begin no more jobs, or begin them again. What runs goes on. */
  async pauseQueue(paused: boolean): Promise<void> {
    await this.#post(`jobs/${paused ? "pause" : "resume"}`, {});
  }

  /** Put jobs on hold, or let them go on. One that runs is stopped, and later goes on where it was. @returns those that were. */
  async holdJobs(prompts: readonly PromptId[], held: boolean): Promise<readonly PromptId[]> {
    return texts(await this.#post(`jobs/${held ? "pause" : "resume"}`, { job_ids: prompts }), "jobs");
  }

  /** Give waiting jobs another place. @returns those that were moved, in their new order. */
  async moveJobs(prompts: readonly PromptId[], goal: Goal): Promise<readonly PromptId[]> {
    return texts(await this.#post("jobs/move", { job_ids: prompts, ...goal }), "moved");
  }

  /** Queue jobs that are over once more, or all failed ones; `client` is told how they go. */
  async retryJobs(prompts: readonly PromptId[] | undefined, client: string): Promise<readonly Retried[]> {
    const which: JsonObject = prompts === undefined ? { all: true } : { job_ids: prompts };
    const answer = await this.#post("jobs/retry", { ...which, client_id: client });
    return isObject(answer) && isArray(answer.jobs) ? (answer.jobs as unknown as readonly Retried[]) : [];
  }

  async status(): Promise<ServerStatus> {
    return (await this.#object("weft/status")) as unknown as ServerStatus;
  }

  /** Free memory; with `forget`, cached results too. */
  async free(options: { readonly forget?: boolean } = {}): Promise<void> {
    await this.#post("free", { unload_models: true, free_memory: options.forget === true });
  }

  /** @returns where the file lies now: the server may have given it another name. */
  async upload(
    file: Blob,
    name: string,
    options: { readonly folder?: Folder; readonly subfolder?: string; readonly overwrite?: boolean } = {},
  ): Promise<FileRef> {
    const form = new FormData();
    form.append("image", file, name);
    form.append("type", options.folder ?? "input");
    if (options.subfolder) form.append("subfolder", options.subfolder);
    if (options.overwrite) form.append("overwrite", "true");
    return this.#send("upload/image", form);
  }

  /** A copy of `original` in the input folder with the alpha of `mask`. */
  async uploadMask(mask: Blob, name: string, original: FileRef): Promise<FileRef> {
    const form = new FormData();
    form.append("image", mask, name);
    form.append("type", "input");
    form.append("original_ref", JSON.stringify(original));
    return this.#send("upload/mask", form);
  }

  async #send(path: string, body: FormData): Promise<FileRef> {
    const { name: filename, subfolder, type } = (await this.#json(path, { method: "POST", body })) as JsonObject;
    return { filename: String(filename), subfolder: String(subfolder ?? ""), type: String(type ?? "input") as Folder };
  }

  /** Address of a file, for an `img`. `preview` asks for a smaller one ("webp;90"); `fresh` gets past the browser's cache. */
  viewUrl(file: FileRef, options: { readonly preview?: string; readonly channel?: string; readonly fresh?: string | number } = {}): string {
    const { filename, subfolder, type } = file;
    return this.url(`view${search({ filename, subfolder, type, preview: options.preview, channel: options.channel, rand: options.fresh })}`);
  }

  async settings(): Promise<JsonObject> {
    return this.#object("settings");
  }

  async saveSettings(values: JsonObject): Promise<void> {
    await this.#post("settings", values);
  }

  async saveSetting(id: string, value: JsonValue): Promise<void> {
    await this.#post(`settings/${encodeURIComponent(id)}`, value);
  }

  /** Files of a folder of the user's, `workflows` say; none if there is no such folder. */
  async listUserFiles(dir: string): Promise<readonly UserFile[]> {
    try {
      const text = search({ dir, recurse: "true", split: "false", full_info: "true" });
      return (await this.#json(`userdata${text}`)) as unknown as readonly UserFile[];
    } catch (error) {
      if (error instanceof HttpError && error.status === 404) return [];
      throw error;
    }
  }

  async readUserFile(path: string): Promise<VersionedText> {
    const response = await this.#request(`userdata/${encodeURIComponent(path)}`);
    return { text: await response.text(), version: versionOf(response) };
  }

  /**
   * @param options.seen the version that was read: the file is written only while it is still that one.
   * @returns its version now.
   * @throws HttpError of status 409 if the file exists and neither is given; see `conflictOf` for `seen`.
   */
  async writeUserFile(
    path: string,
    text: string,
    options: { readonly overwrite?: boolean; readonly seen?: string | undefined } = {},
  ): Promise<string | undefined> {
    const query = search({ overwrite: options.overwrite === true ? "true" : "false" });
    const init = { method: "POST", body: text, headers: ifMatch(options.seen) };
    return versionOf(await this.#request(`userdata/${encodeURIComponent(path)}${query}`, init));
  }

  /** @param seen the version that was read: another one is not deleted. */
  async deleteUserFile(path: string, seen?: string): Promise<void> {
    await this.#request(`userdata/${encodeURIComponent(path)}`, { method: "DELETE", headers: ifMatch(seen) });
  }

  /** Saved states of a workflow, the newest first; an older server keeps none. */
  async versions(path: string): Promise<readonly Version[]> {
    try {
      return (await this.#json(`weft/versions${search({ file: path })}`)) as unknown as readonly Version[];
    } catch (error) {
      if (error instanceof HttpError && error.status === 404) return [];
      throw error;
    }
  }

  /** Workflows that were deleted and have versions yet; an older server tells none. */
  async deletedFiles(): Promise<readonly DeletedFile[]> {
    try {
      return (await this.#json("weft/versions/deleted")) as unknown as readonly DeletedFile[];
    } catch (error) {
      if (error instanceof HttpError && error.status === 404) return [];
      throw error;
    }
  }

  /** A workflow as it was saved. */
  async readVersion(id: number): Promise<string> {
    return (await this.#request(`weft/versions/${id}`)).text();
  }

  /** Address of its drawing. */
  versionPicture(id: number, theme: "dark" | "light"): string {
    return this.url(`weft/versions/${id}/thumbnail?theme=${theme}`);
  }

  async moveUserFile(from: string, to: string, options: { readonly overwrite?: boolean } = {}): Promise<void> {
    const query = search({ overwrite: options.overwrite === true ? "true" : "false" });
    await this.#request(`userdata/${encodeURIComponent(from)}/move/${encodeURIComponent(to)}${query}`, {
      method: "POST",
    });
  }

  async systemStats(): Promise<SystemStats> {
    return (await this.#object("system_stats")) as unknown as SystemStats;
  }

  /** A route's address, under `/api`. */
  url(route: string): string {
    return new URL(`api/${route}`, this.#base).href;
  }

  /** A workflow to begin with; these do not lie under `/api`. */
  async template(name: string): Promise<JsonValue> {
    return this.#json(`../templates/${encodeURIComponent(name)}.json`);
  }

  /** What samplers and schedules are for. */
  /** What memory a prompt will need. */
  async plan(prompt: object): Promise<MemoryPlan> {
    return (await this.#post("weft/plan", { prompt: prompt as JsonObject })) as unknown as MemoryPlan;
  }

  async samplers(): Promise<SamplerTable> {
    return (await this.#object("weft/samplers")) as unknown as SamplerTable;
  }

  /** Any other route that answers JSON, a combo's remote list say. */
  async get(route: string): Promise<JsonValue> {
    return this.#json(route.replace(/^\/+(api\/)?/, ""));
  }

  /** Let a pack's code run; packs are loaded anew as soon as no job runs. */
  async trustPack(name: string): Promise<void> {
    await this.#post(`weft/packs/${encodeURIComponent(name)}/trust`, {});
  }

  /** Say what a pack may do; packs are loaded anew as soon as no job runs. */
  async limitPack(name: string, limits: { readonly apart: boolean; readonly network: boolean; readonly writes: readonly string[] }): Promise<void> {
    const body = stringifyJson({ apart: limits.apart, network: limits.network, writes: [...limits.writes] });
    await this.#json(`weft/packs/${encodeURIComponent(name)}/limits`, { method: "PUT", body, headers: { "Content-Type": "application/json" } });
  }

  /** Load all packs anew, edited files too, as soon as no job runs. */
  async reloadPacks(): Promise<void> {
    await this.#post("weft/packs/reload", {});
  }

  async #object(route: string): Promise<JsonObject> {
    const answer = await this.#json(route);
    if (!isObject(answer)) throw new HttpError(`unexpected: ${route}`, 200, answer, undefined, { why: "unexpected", route });
    return answer;
  }

  /** Any other route that takes JSON. */
  async post(route: string, body: JsonValue): Promise<JsonValue> {
    return this.#post(route, body);
  }

  async delete(route: string, body?: JsonValue): Promise<JsonValue> {
    return this.#json(route, { method: "DELETE", ...(body !== undefined && { body: stringifyJson(body), headers: { "Content-Type": "application/json" } }) });
  }

  async #post(route: string, body: JsonValue): Promise<JsonValue> {
    return this.#json(route, {
      method: "POST",
      body: stringifyJson(body),
      headers: { "Content-Type": "application/json" },
    });
  }

  async #json(route: string, init?: RequestInit): Promise<JsonValue> {
    const text = await (await this.#request(route, init)).text();
    return text.trim() === "" ? null : parseJson(text);
  }

  async #request(route: string, init: RequestInit = {}): Promise<Response> {
    let response: Response;
    try {
      response = await this.#fetch(this.url(route), { cache: "no-cache", ...init });
    } catch (cause) {
      throw new HttpError("no-answer", 0, null, { cause }, { why: "no-answer", route });
    }
    if (!response.ok) throw await refusal(response, route);
    return response;
  }
}

async function refusal(response: Response, route: string): Promise<HttpError> {
  const text = await response.text();
  let body: JsonValue = text;
  try {
    body = parseJson(text);
  } catch {
    // Not JSON: the text itself is what the server said.
  }
  const words = said(body);
  return words === undefined ? new HttpError(`refused: ${route} (${response.status})`, response.status, body, undefined, { why: "refused", route }) : new HttpError(words, response.status, body);
}

function versionOf(response: Response): string | undefined {
  return response.headers.get("ETag") ?? undefined;
}

function ifMatch(version: string | undefined): Record<string, string> {
  return version === undefined ? {} : { "If-Match": version };
}

/** What the server says where a file is not the one that was read; undefined for all other errors. */
export function conflictOf(error: unknown): VersionConflict | undefined {
  if (!(error instanceof HttpError) || error.status !== 409 || !isObject(error.body)) return undefined;
  return "current" in error.body ? (error.body as unknown as VersionConflict) : undefined;
}

function texts(answer: JsonValue, name: string): readonly string[] {
  const found = isObject(answer) ? answer[name] : undefined;
  return isArray(found) ? found.map(String) : [];
}

/** What an answer says in words. */
function said(body: JsonValue): string | undefined {
  if (typeof body === "string") return body.length > 0 && body.length < 300 && !body.startsWith("<") ? body : undefined;
  if (!isObject(body)) return undefined;
  const { error } = body;
  if (typeof error === "string") return error;
  return isObject(error) && typeof error.message === "string" ? error.message : undefined;
}

function search(values: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) if (value !== undefined) query.set(key, String(value));
  return query.size > 0 ? `?${query}` : "";
}
