/** Shapes of what goes between the editor and the server. */
import type { JsonObject, JsonValue } from "../graph/types";

export type PromptId = string;
/** A node as the server names it: ids of the subgraph instances around it and its own, joined by colons. */
export type ExecutionId = string;
export type Folder = "input" | "output" | "temp";

export interface PromptRequest {
  readonly client_id: string;
  readonly prompt: JsonObject;
  readonly extra_data: { readonly extra_pnginfo: { readonly workflow: JsonObject }; readonly [key: string]: JsonValue };
  /** Run these output nodes and what they need, nothing else. */
  readonly partial_execution_targets?: readonly ExecutionId[];
  readonly front?: boolean;
  readonly prompt_id?: PromptId;
}

export interface PromptAccepted {
  readonly prompt_id: PromptId;
  readonly number: number;
  /** Faults of parts that were left out because another part can run. */
  readonly node_errors: NodeErrors;
}

export interface Fault {
  readonly type: string;
  readonly message: string;
  readonly details: string;
  readonly extra_info: JsonObject & { readonly input_name?: string };
}

export interface NodeFaults {
  readonly errors: readonly Fault[];
  readonly dependent_outputs: readonly ExecutionId[];
  readonly class_type: string;
}
export type NodeErrors = Readonly<Record<ExecutionId, NodeFaults>>;

export interface PromptRejected {
  readonly error: Fault;
  readonly node_errors: NodeErrors;
}

/** `[number, id, prompt, extra_data, output nodes]` */
export type QueueItem = readonly [
  number: number,
  id: PromptId,
  prompt: JsonObject,
  extra: JsonObject,
  outputs: readonly ExecutionId[],
];

export interface Queue {
  readonly queue_running: readonly QueueItem[];
  readonly queue_pending: readonly QueueItem[];
}

/** A file in one of the workspace's folders. */
export interface FileRef {
  readonly filename: string;
  readonly subfolder: string;
  readonly type: Folder;
}

/** What a node shows: lists by kind, `images` of `FileRef` among them. */
export type NodeOutput = Readonly<Record<string, readonly JsonValue[]>>;

export interface HistoryEntry {
  readonly prompt: QueueItem;
  readonly outputs: Readonly<Record<ExecutionId, NodeOutput>>;
  readonly status: {
    readonly status_str: "success" | "error";
    readonly completed: boolean;
    readonly messages: readonly (readonly [type: string, data: JsonObject])[];
  };
  readonly meta: Readonly<
    Record<ExecutionId, { node_id: string; display_node: string; parent_node: string | null; real_node_id: string }>
  >;
  /** Every node that failed, the first one first. */
  readonly failures?: readonly MessageData["node_failed"][];
}
export type History = Readonly<Record<PromptId, HistoryEntry>>;

export type JobStatus = "pending" | "in_progress" | "completed" | "failed" | "cancelled";

export interface Job {
  readonly id: PromptId;
  readonly status: JobStatus;
  readonly priority: number;
  /** Milliseconds since 1970. */
  readonly create_time: number;
  readonly execution_start_time?: number;
  readonly execution_end_time?: number;
  readonly execution_error?: JsonObject;
  readonly outputs_count: number;
  readonly preview_output?: FileRef & { readonly nodeId: ExecutionId; readonly mediaType: string };
  readonly workflow_id?: string;
  /** It waits on hold: others go first. */
  readonly paused?: boolean;
  /** The job that this is another try of. */
  readonly retry_of?: PromptId;
}

/** Where waiting jobs are moved to. */
export type Goal = { readonly to: "front" | "back" } | { readonly before: PromptId } | { readonly after: PromptId };

/** A job that was queued once more. */
export interface Retried {
  readonly prompt_id: PromptId;
  readonly retry_of: PromptId;
}

/** Of `weft/status`, what the canvas shows. */
/** What a node will need of the device, in bytes. */
export interface NodePlan {
  readonly weights: number;
  readonly computing: number;
  readonly measured: boolean;
  readonly peak: number;
  readonly offloaded: number;
  readonly fits: boolean;
  readonly words: string;
}

/** What memory a prompt will need, before it runs. */
export interface MemoryPlan {
  readonly verdict: "fits" | "offloads" | "cannot" | "unknown";
  readonly words: string;
  readonly device: number | null;
  readonly peak: number;
  readonly offloaded: number;
  readonly nodes: Readonly<Record<ExecutionId, NodePlan>>;
  readonly faults: Readonly<Record<ExecutionId, string>>;
}

export interface ServerStatus {
  readonly queue_paused: boolean;
}

export interface JobDetail extends Job {
  readonly outputs?: Readonly<Record<ExecutionId, NodeOutput>>;
  readonly execution_status?: HistoryEntry["status"];
  readonly workflow?: { readonly prompt: JsonObject; readonly extra_data: JsonObject };
  /** Seconds in the worker, by node, once it is over. */
  readonly timings?: Readonly<Record<ExecutionId, number>>;
}

export interface JobPage {
  readonly jobs: readonly Job[];
  readonly pagination: {
    readonly offset: number;
    readonly limit: number | null;
    readonly total: number;
    readonly has_more: boolean;
  };
}

export interface JobQuery {
  readonly status?: readonly JobStatus[];
  readonly oldestFirst?: boolean;
  readonly limit?: number;
  readonly offset?: number;
}

export interface UserFile {
  /** Relative to the folder that was asked for. */
  readonly path: string;
  readonly size: number;
  /** Seconds or milliseconds since 1970. */
  readonly modified: number;
  readonly created?: number;
}

/** A saved state of a workflow that the server keeps. */
export interface Version {
  readonly id: number;
  /** Seconds since 1970. */
  readonly saved: number;
  readonly size: number;
  /** Null: it was no workflow. */
  readonly nodes: number | null;
  readonly etag: string;
}

/** A workflow that was deleted and has versions yet. */
export interface DeletedFile {
  readonly file: string;
  readonly versions: number;
  /** Seconds since 1970. */
  readonly saved: number;
}

/** A file's text and the name of its version, as the server gives it (`ETag`). */
export interface VersionedText {
  readonly text: string;
  readonly version: string | undefined;
}

/** What lies on the server in place of the file that was read; `current` null: it was deleted. */
export interface VersionConflict {
  /** `content` null: it is too long to be told. */
  readonly current: { readonly etag: string; readonly size: number; readonly content: string | null } | null;
}

export interface SystemStats {
  readonly system: JsonObject;
  readonly devices: readonly JsonObject[];
}

/** One node's part in `progress_state`. */
export interface NodeProgress {
  readonly value: number;
  readonly max: number;
  readonly state: "pending" | "running" | "finished" | "error";
  readonly node_id: ExecutionId;
  readonly prompt_id: PromptId;
  readonly display_node_id: ExecutionId;
  readonly parent_node_id?: ExecutionId | null;
  readonly real_node_id?: string;
}

interface OfRun {
  readonly prompt_id: PromptId;
}
interface Timed extends OfRun {
  /** Milliseconds since 1970. */
  readonly timestamp?: number;
}

/** Where a message about one node is at home: the node itself, what the canvas marks for it, its maker, the one in the file. */
interface OfNode extends OfRun {
  readonly node: ExecutionId;
  readonly display_node: ExecutionId;
  readonly parent_node?: ExecutionId | null;
  readonly real_node_id?: ExecutionId;
}

/** Bytes: the most that the worker held while the node ran, how much more it held after it, the most on graphics cards. */
export interface NodeMemory {
  readonly host: number;
  readonly growth: number;
  readonly device: number;
}

interface Exception {
  readonly node_type: string;
  readonly exception_message: string;
  readonly exception_type: string;
  readonly traceback: readonly string[];
  readonly current_inputs?: JsonObject;
}

/** Which life of which server its numbers belong to, and the last one that was seen. */
export interface Position {
  readonly server: string;
  readonly seq: number;
}

/** Data of each message of the websocket, by its type. */
export interface MessageData {
  status: { readonly status: { readonly exec_info: { readonly queue_remaining: number } }; readonly sid?: string };
  feature_flags: JsonObject;
  execution_start: Timed;
  execution_cached: Timed & { readonly nodes: readonly ExecutionId[] };
  executing: OfRun & { readonly node: ExecutionId | null; readonly display_node?: ExecutionId };
  progress: OfRun & { readonly node: ExecutionId; readonly value: number; readonly max: number };
  progress_state: OfRun & { readonly nodes: Readonly<Record<ExecutionId, NodeProgress>> };
  executed: OfRun & {
    readonly node: ExecutionId;
    readonly display_node?: ExecutionId;
    readonly output: NodeOutput | null;
    readonly merge?: boolean;
  };
  execution_success: Timed;
  execution_error: Timed & Exception & { readonly node_id: ExecutionId; readonly executed: readonly ExecutionId[] };
  execution_interrupted: Timed & {
    readonly node_id: ExecutionId | null;
    readonly node_type?: string;
    readonly executed: readonly ExecutionId[];
  };
  /** The answer to `weft_events`. `resumed`: what was missed follows; else what is known has to be asked for anew. */
  weft_hello: Position & { readonly resumed: boolean; readonly reason: string };
  node_started: OfNode;
  node_progress: OfNode & { readonly value: number; readonly max: number };
  /** `seconds` in the worker; without `memory` the node did not run. */
  node_finished: OfNode & { readonly cached: boolean; readonly seconds: number; readonly memory: NodeMemory | null };
  /** At once; the others run on. */
  node_failed: OfNode & Exception;
  /** A blocker switched the node off, and says why. */
  node_blocked: OfNode & { readonly node_type: string; readonly message: string };
  /** What happened to which jobs of the queue; told to all. */
  queue_changed: { readonly queue_remaining: number; readonly paused: boolean; readonly change: string; readonly prompt_ids: readonly PromptId[] };
}
export type MessageType = keyof MessageData;
export type Message = {
  readonly [Type in MessageType]: { readonly type: Type; readonly data: MessageData[Type] };
}[MessageType];

/** A picture on its way, from a binary message. Without metadata neither node nor run is known. */
export interface Preview {
  readonly node: ExecutionId | undefined;
  readonly displayNode: ExecutionId | undefined;
  readonly prompt: PromptId | undefined;
  readonly mime: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A text for a node, from a binary message. */
export interface NodeText {
  readonly node: ExecutionId;
  readonly text: string;
}

/** A schedule for its readers: what it is for, its rule in lines of plain text, its papers. */
export interface AboutSchedule {
  readonly name: string;
  readonly purpose: string;
  readonly maths: readonly string[];
  readonly source: string;
}

/** A sampler; `calls` of the network a step, null where it chooses; whether it adds noise by itself. */
export interface AboutSampler extends AboutSchedule {
  readonly calls: number | null;
  readonly noise: boolean;
}

/** What people may type, and the samplers or schedules that answer it, the best first. */
export interface Wish {
  readonly words: readonly string[];
  readonly names: readonly string[];
}

export interface SamplerTable {
  readonly samplers: readonly AboutSampler[];
  readonly schedules: readonly AboutSchedule[];
  readonly sampler_wishes: readonly Wish[];
  readonly schedule_wishes: readonly Wish[];
}
