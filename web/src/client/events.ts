/** What the server tells while it works: a websocket that comes back by itself. */
import { parseJson } from "../graph/json";
import { isObject } from "../graph/values";
import { readBinary } from "./binary";
import type { JsonObject } from "../graph/types";
import type { Message, MessageData, MessageType, NodeText, Position, Preview } from "./wire";

export type Connection = "connecting" | "open" | "lost" | "closed";

/** Events by name: the server's own messages; previews and texts; how the line stands; `other` for packs' messages. */
export interface EventMap extends MessageData {
  preview: Preview;
  text: NodeText;
  connection: Connection;
  /** The line is back after a loss. What was missed is told again, unless `missed`: then it must be asked for. */
  reconnected: { readonly clientId: string; readonly missed: boolean };
  other: { readonly type: string; readonly data: JsonObject };
}
export type EventName = keyof EventMap;

/** The part of `WebSocket` that we use. */
export interface Socket {
  binaryType: BinaryType;
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(text: string): void;
  close(): void;
}

export interface EventsOptions {
  /** Address of the page's folder: "http://127.0.0.1:8188/". */
  readonly base: string;
  /** Keeps this window's name across reloads: `sessionStorage`. */
  readonly storage: Pick<Storage, "getItem" | "setItem">;
  readonly connect?: (url: string) => Socket;
}

const CLIENT_ID = "weft.clientId";
const MARK = "weft.mark";
const FIRST_DELAY_MS = 300;
const LONGEST_DELAY_MS = 5000;
const FEATURES = { supports_preview_metadata: true, supports_progress_text_metadata: false };
/** So long a server may take to say whether it knows of numbers. */
const AGREED_MS = 3000;

export class Events {
  readonly #listeners = new Map<EventName, Set<(data: never) => void>>();
  readonly #connect: (url: string) => Socket;
  readonly #base: string;
  readonly #storage: EventsOptions["storage"];
  #socket: Socket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #delay = FIRST_DELAY_MS;
  #connection: Connection = "closed";
  #wasOpen = false;
  #back = false;
  #agreeing: ReturnType<typeof setTimeout> | undefined;
  /** The last number that was seen. */
  #position: Position | undefined;
  #clientId: string;

  constructor(options: EventsOptions) {
    this.#base = options.base;
    this.#storage = options.storage;
    this.#connect = options.connect ?? ((url) => new WebSocket(url));
    this.#clientId = this.#storage.getItem(CLIENT_ID) ?? crypto.randomUUID().replaceAll("-", "");
    this.#storage.setItem(CLIENT_ID, this.#clientId);
    this.#position = readMark(this.#storage.getItem(MARK));
  }

  /** What happens from now on is told again when the page is loaded again, if the server still knows it then. */
  mark(): void {
    if (this.#position) this.#storage.setItem(MARK, JSON.stringify(this.#position));
  }

  /** Name of this window for the server: prompts sent under it are told about here. */
  get clientId(): string {
    return this.#clientId;
  }

  get connection(): Connection {
    return this.#connection;
  }

  /** @returns a function that ends the subscription. */
  on<Name extends EventName>(name: Name, listener: (data: EventMap[Name]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  open(): void {
    if (this.#socket || this.#timer !== undefined) return;
    this.#enter(this.#wasOpen ? "lost" : "connecting");
    const socket = this.#connect(socketUrl(this.#base, this.#clientId));
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#opened(socket);
    socket.onmessage = ({ data }) => this.#received(data);
    socket.onclose = () => this.#lost(socket);
  }

  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#agreeing);
    this.#timer = undefined;
    const socket = this.#socket;
    this.#socket = undefined;
    this.#enter("closed");
    socket?.close();
  }

  #opened(socket: Socket): void {
    if (socket !== this.#socket) return;
    socket.send(JSON.stringify({ type: "feature_flags", data: { ...FEATURES, weft_events: this.#position ?? true } }));
    this.#delay = FIRST_DELAY_MS;
    this.#back = this.#wasOpen;
    this.#wasOpen = true;
    this.#enter("open");
    if (this.#back) this.#agreeing = setTimeout(() => this.#return(true), AGREED_MS);
  }

  /** The line is back, and it is known whether what was missed is told again. */
  #return(missed: boolean): void {
    clearTimeout(this.#agreeing);
    if (!this.#back) return;
    this.#back = false;
    this.#emit("reconnected", { clientId: this.#clientId, missed });
  }

  /** Try again, at first soon, then less often. */
  #lost(socket: Socket): void {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    clearTimeout(this.#agreeing);
    this.#enter("lost");
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.open();
    }, this.#delay);
    this.#delay = Math.min(LONGEST_DELAY_MS, this.#delay * 2);
  }

  #received(data: unknown): void {
    if (data instanceof ArrayBuffer) {
      const message = readBinary(data);
      if (message?.type === "preview") this.#emit("preview", message.data);
      else if (message) this.#emit("text", message.data);
      return;
    }
    const message = typeof data === "string" ? readMessage(data) : undefined;
    if (!message) return;
    if (message.type === "other") this.#emit("other", message.data);
    else this.#told(message);
    // Only now: were the page to fail in the middle, it would be told again.
    if (message.seq !== undefined && this.#position) this.#position = { ...this.#position, seq: message.seq };
  }

  #told(message: Message): void {
    if (message.type === "status" && message.data.sid) this.#rename(message.data.sid);
    if (message.type === "weft_hello") {
      this.#position = { server: message.data.server, seq: message.data.seq };
      this.#return(!message.data.resumed);
    }
    this.#emit(message.type, message.data);
  }

  /** The server gave this window another name. */
  #rename(sid: string): void {
    if (sid === this.#clientId) return;
    this.#clientId = sid;
    this.#storage.setItem(CLIENT_ID, sid);
  }

  #enter(connection: Connection): void {
    if (connection === this.#connection) return;
    this.#connection = connection;
    this.#emit("connection", connection);
  }

  #emit<Name extends EventName>(name: Name, data: EventMap[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) (listener as (data: EventMap[Name]) => void)(data);
  }
}

function readMark(text: string | null): Position | undefined {
  try {
    const mark = JSON.parse(text ?? "null") as Partial<Position> | null;
    return typeof mark?.server === "string" && typeof mark.seq === "number" ? { server: mark.server, seq: mark.seq } : undefined;
  } catch {
    return undefined; // another version of the page wrote it
  }
}

/** The websocket lies beside the page, not under `/api`. */
export function socketUrl(base: string, clientId: string): string {
  const url = new URL("ws", base.endsWith("/") ? base : `${base}/`);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.searchParams.set("clientId", clientId);
  return url.href;
}

/** What a message of each type must have for us to use it. */
const NEEDED: Readonly<Record<MessageType, (data: JsonObject) => boolean>> = {
  status: (data) => isObject(data.status) && isObject(data.status.exec_info),
  feature_flags: () => true,
  execution_start: ofRun,
  execution_cached: (data) => ofRun(data) && Array.isArray(data.nodes),
  executing: ofRun,
  progress: (data) => ofRun(data) && typeof data.value === "number" && typeof data.max === "number",
  progress_state: (data) => ofRun(data) && isObject(data.nodes),
  executed: (data) => ofRun(data) && typeof data.node === "string",
  execution_success: ofRun,
  execution_error: (data) => ofRun(data) && typeof data.exception_message === "string",
  execution_interrupted: ofRun,
  weft_hello: (data) => typeof data.server === "string" && typeof data.seq === "number",
  node_started: ofNode,
  node_progress: (data) => ofNode(data) && typeof data.value === "number" && typeof data.max === "number",
  node_finished: (data) => ofNode(data) && typeof data.seconds === "number",
  node_failed: (data) => ofNode(data) && typeof data.exception_message === "string",
  node_blocked: (data) => ofNode(data) && typeof data.message === "string",
  queue_changed: (data) => typeof data.paused === "boolean",
};

function ofNode(data: JsonObject): boolean {
  return ofRun(data) && typeof data.node === "string" && typeof data.display_node === "string";
}

function ofRun(data: JsonObject): boolean {
  return typeof data.prompt_id === "string";
}

/** @returns undefined for what is no message; messages of unknown types as `other`. `seq`: its number, if it has one. */
export function readMessage(
  text: string,
): ((Message | { readonly type: "other"; readonly data: EventMap["other"] }) & { readonly seq?: number }) | undefined {
  let json: unknown;
  try {
    json = parseJson(text);
  } catch {
    return undefined; // not for us
  }
  if (!isObject(json as JsonObject)) return undefined;
  const { type, data, seq } = json as JsonObject;
  if (typeof type !== "string" || !isObject(data)) return undefined;
  const numbered = typeof seq === "number" ? { seq } : {};
  if (!Object.hasOwn(NEEDED, type)) return { type: "other", data: { type, data }, ...numbered };
  return NEEDED[type as MessageType](data) ? ({ type, data, ...numbered } as unknown as Message) : undefined;
}
