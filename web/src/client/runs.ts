/** What is known of runs: messages in, state out. Pure, so that any order of messages can be tried. */
import type { JsonObject } from "../graph/types";
import type {
  ExecutionId,
  Fault,
  HistoryEntry,
  Message,
  MessageData,
  NodeErrors,
  NodeMemory,
  NodeOutput,
  Preview,
  PromptId,
  PromptRejected,
} from "./wire";

/** `off`: a blocker switched it off, and said why. */
export type NodeState = "waiting" | "cached" | "running" | "done" | "error" | "stopped" | "off";

export interface NodeRun {
  readonly state: NodeState;
  /** Steps done, of how many, while it runs. */
  readonly value?: number;
  readonly max?: number;
  /** By the clock handed to `reduce`, in milliseconds. */
  readonly startedAt?: number;
  /** How long it took, in milliseconds. */
  readonly ms?: number;
  /** Of that, the nodes that it made, as far as they are done. */
  readonly innerMs?: number;
  readonly memory?: NodeMemory;
  /** Why it is off. */
  readonly note?: string;
  readonly output?: NodeOutput;
  readonly preview?: Preview;
  readonly error?: NodeError;
}

export interface NodeError {
  readonly message: string;
  /** Why, and what helps: the exception's kind, or a fault's details. */
  readonly cause: string;
  /** The input that is at fault, where one is. */
  readonly input?: string;
  /** The fault's type as the server names it ("value_not_in_list"); absent for exceptions. */
  readonly kind?: string;
  readonly traceback: readonly string[];
}

export type RunPhase = "waiting" | "running" | "done" | "failed" | "stopped";

export interface Run {
  readonly id: PromptId;
  readonly phase: RunPhase;
  readonly startedAt?: number;
  readonly ms?: number;
  /** By the id of the node on the canvas; see `visibleNode`. */
  readonly nodes: ReadonlyMap<ExecutionId, NodeRun>;
  /** The node that runs, as the server told last. */
  readonly current?: ExecutionId;
  /** What went wrong with the run as a whole. */
  readonly error?: NodeError;
}

export interface Runs {
  readonly queueRemaining: number;
  readonly runs: ReadonlyMap<PromptId, Run>;
  /** The run told of last: what the canvas shows. */
  readonly latest: PromptId | undefined;
  /** What was wrong with the last prompt that the server refused, by node; empty once one is accepted. */
  readonly faults: ReadonlyMap<ExecutionId, readonly NodeError[]>;
  readonly refused: NodeError | undefined;
}

export type RunEvent =
  | Message
  | { readonly type: "preview"; readonly data: Preview }
  | { readonly type: "queued"; readonly data: { readonly prompt_id: PromptId; readonly node_errors: NodeErrors } }
  | { readonly type: "refused"; readonly data: PromptRejected }
  /** What the server remembers of a run that is over. `timings`: seconds by node. */
  | { readonly type: "history"; readonly data: { readonly prompt_id: PromptId; readonly entry: HistoryEntry; readonly timings?: Readonly<Record<ExecutionId, number>> } }
  /** The server knows nothing of this run any more. */
  | { readonly type: "forgotten"; readonly data: { readonly prompt_id: PromptId } };

export const NO_RUNS: Runs = {
  queueRemaining: 0,
  runs: new Map(),
  latest: undefined,
  faults: new Map(),
  refused: undefined,
};

/** Runs that are over and kept, the oldest dropped first. */
const KEPT = 50;

/** @param now milliseconds of any clock that does not go back. */
export function reduce(state: Runs, event: RunEvent, now: number): Runs {
  switch (event.type) {
    case "status":
      return { ...state, queueRemaining: event.data.status.exec_info.queue_remaining };
    case "feature_flags":
    case "weft_hello":
    case "queue_changed":
      return state;
    case "refused":
      return { ...state, faults: faultsOfRefusal(event.data), refused: errorOf(event.data.error) };
    case "queued": {
      const known = state.runs.get(event.data.prompt_id);
      const put = known
        ? state
        : putRun(state, { id: event.data.prompt_id, phase: "waiting", nodes: new Map() }, false);
      return { ...put, faults: faultsOf(event.data.node_errors), refused: undefined };
    }
    case "preview": {
      const id = event.data.prompt ?? state.latest;
      const run = id === undefined ? undefined : state.runs.get(id);
      const node = event.data.displayNode ?? run?.current;
      return run && node !== undefined ? putRun(state, withNode(run, node, { preview: event.data })) : state;
    }
    case "history":
      return putRun(
        state,
        remembered(runOf(state, event.data.prompt_id), event.data.entry, event.data.timings ?? {}),
        state.latest === event.data.prompt_id,
      );
    default: {
      const run = runOf(state, event.data.prompt_id);
      const next = reduceRun(run, event, now);
      return next === run ? state : putRun(state, next);
    }
  }
}

/** The canvas shows one node for all that lies in a subgraph: the first part of the path. */
export function visibleNode(id: ExecutionId): string {
  const colon = id.indexOf(":");
  return colon < 0 ? id : id.slice(0, colon);
}

type OwnEvent = Exclude<
  RunEvent,
  { type: "status" | "feature_flags" | "weft_hello" | "queue_changed" | "refused" | "queued" | "preview" | "history" }
>;

function reduceRun(run: Run, event: OwnEvent, now: number): Run {
  switch (event.type) {
    case "execution_start":
      return { ...run, phase: "running", startedAt: now, nodes: new Map() };
    case "execution_cached":
      return event.data.nodes.reduce((each, node) => withNode(each, node, { state: "cached" }), run);
    case "executing":
      return isOver(run) ? run : executing(run, event.data.display_node ?? event.data.node, now);
    case "progress":
      return isOver(run)
        ? run
        : withNode(run, event.data.node, { state: "running", value: event.data.value, max: event.data.max });
    case "progress_state":
      return Object.values(event.data.nodes).reduce((each, node) => progressed(each, node, now), run);
    case "executed": {
      const node = event.data.display_node ?? event.data.node;
      const before = run.nodes.get(node);
      const output =
        event.data.merge && before?.output
          ? merged(before.output, event.data.output)
          : (event.data.output ?? undefined);
      return withNode(run, node, before?.state === "cached" ? { output } : { ...finished(before, now), output });
    }
    case "node_started":
      return isOver(run)
        ? run
        : {
            ...withNode(run, event.data.display_node, nodeBegins(run, event.data, now)),
            phase: "running",
            current: event.data.display_node,
          };
    case "node_progress":
      return isOver(run)
        ? run
        : withNode(run, event.data.display_node, { state: "running", value: event.data.value, max: event.data.max });
    case "node_finished":
      return withNode(run, event.data.display_node, nodeEnds(run, event.data));
    case "node_failed":
      return withNode(run, event.data.display_node, nodeFails(event.data));
    case "node_blocked":
      return withNode(run, event.data.display_node, { state: "off", note: event.data.message });
    case "execution_success":
      return ended({ ...run, nodes: settle(run, "done", now) }, "done", now);
    case "execution_interrupted":
      return ended({ ...run, nodes: settle(run, "stopped", now) }, "stopped", now);
    case "execution_error":
      return failed(run, event.data, now);
    case "forgotten":
      return isOver(run) ? run : ended({ ...run, nodes: settle(run, "stopped", now), error: LOST }, "stopped", now);
  }
}

/** The server no longer knows the run: who shows it has the words. */
export const RUN_LOST = "run-lost";
const LOST: NodeError = {
  message: RUN_LOST,
  cause: "",
  traceback: [],
};

function isOver(run: Run): boolean {
  return run.phase === "done" || run.phase === "failed" || run.phase === "stopped";
}

/** One node begins; the one before it is done. */
function executing(run: Run, node: ExecutionId | null, now: number): Run {
  const before = run.current;
  const done = before !== undefined && before !== node && run.nodes.get(before)?.state === "running";
  const settled = done ? withNode(run, before, finished(run.nodes.get(before), now)) : run;
  if (node === null) {
    const { current: _current, ...rest } = settled;
    return rest;
  }
  const known = settled.nodes.get(node);
  const started = known?.state === "running" ? {} : { state: "running" as const, startedAt: now, error: undefined };
  return { ...withNode(settled, node, started), phase: "running", current: node };
}

function progressed(
  run: Run,
  node: { display_node_id: ExecutionId; node_id: ExecutionId; value: number; max: number; state: string },
  now: number,
): Run {
  const id = node.display_node_id ?? node.node_id;
  const before = run.nodes.get(id);
  if (node.state === "running") {
    if (isOver(run)) return run;
    return withNode(run, id, {
      state: "running",
      value: node.value,
      max: node.max,
      startedAt: before?.startedAt ?? now,
    });
  }
  if (node.state !== "finished" || before?.state === "cached" || before?.state === "done") return run;
  return withNode(run, id, finished(before, now));
}

/** A node begins; several may run at once. */
function nodeBegins(run: Run, { display_node: id }: MessageData["node_started"], now: number): Fields {
  const before = run.nodes.get(id);
  return before?.state === "running" ? {} : { state: "running", startedAt: before?.startedAt ?? now, error: undefined };
}

/** A node is done, with the time that the worker measured; one that it made is a part of it. */
function nodeEnds(run: Run, data: MessageData["node_finished"]): Fields {
  const before = run.nodes.get(data.display_node);
  const ms = (before?.innerMs ?? 0) + data.seconds * 1000;
  if (data.node !== data.display_node) return data.cached ? {} : { innerMs: ms };
  const over = { value: undefined, max: undefined, preview: undefined, innerMs: undefined };
  if (data.cached) return { ...over, state: "cached", ms: undefined };
  if (data.memory === null) return { ...over, ms: undefined, state: before?.state === "off" ? "off" : "done" };
  return { ...over, state: "done", ms, memory: data.memory };
}

function nodeFails(data: MessageData["node_failed"]): Fields {
  return { state: "error", error: errorFrom(data), value: undefined, max: undefined, preview: undefined };
}

function errorFrom(data: Pick<MessageData["node_failed"], "exception_message" | "exception_type" | "traceback">): NodeError {
  return { message: data.exception_message.trim(), cause: data.exception_type, traceback: data.traceback ?? [] };
}

type Fields = { readonly [Key in keyof NodeRun]?: NodeRun[Key] | undefined };

function finished(before: NodeRun | undefined, now: number): Fields {
  const ms = before?.ms ?? (before?.startedAt === undefined ? undefined : now - before.startedAt);
  return { state: "done", value: undefined, max: undefined, preview: undefined, ms };
}

function failed(run: Run, data: Extract<Message, { type: "execution_error" }>["data"], now: number): Run {
  const error = errorFrom(data);
  const stopped = { ...run, nodes: settle(run, "stopped", now), error };
  const marked = data.node_id
    ? withNode(stopped, data.node_id, { state: "error", error, preview: undefined })
    : stopped;
  return ended(marked, "failed", now);
}

/** Nodes that still ran when the run ended. */
function settle(run: Run, state: NodeState, now: number): Map<ExecutionId, NodeRun> {
  return new Map(
    [...run.nodes].map(([id, node]) =>
      node.state === "running" ? [id, clean({ ...node, ...finished(node, now), state })] : [id, node],
    ),
  );
}

function ended(run: Run, phase: RunPhase, now: number): Run {
  const { current: _current, ...rest } = run;
  return { ...rest, phase, ...(run.startedAt !== undefined && { ms: now - run.startedAt }) };
}

function remembered(run: Run, entry: HistoryEntry, timings: Readonly<Record<ExecutionId, number>>): Run {
  const messages = entry.status.messages.map(([type, data]) => ({ type, data }) as unknown as OwnEvent);
  const told = messages
    .filter(({ type }) => Object.hasOwn(LASTING, type))
    .reduce((each, event) => reduceRun(each, event, timeOf(event) ?? 0), run);
  const outputs = Object.entries(entry.outputs).reduce((each, [id, output]) => {
    const node = entry.meta?.[id]?.display_node ?? id;
    return withNode(each, node, { output, state: each.nodes.get(node)?.state ?? "done" });
  }, told);
  const timed = Object.entries(timings).reduce((each, [id, seconds]) => {
    const node = entry.meta?.[id]?.display_node ?? makerOf(id, entry.prompt[2]);
    const before = each.nodes.get(node);
    return withNode(each, node, { state: before?.state ?? "done", ms: (before?.ms ?? 0) + seconds * 1000 });
  }, outputs);
  const all = (entry.failures ?? []).reduce((each, data) => withNode(each, data.display_node, nodeFails(data)), timed);
  return isOver(all) ? all : { ...all, phase: entry.status.status_str === "success" ? "done" : "failed" };
}

/** The node of the prompt that made a node while it ran: the id of what it made begins with its own. */
function makerOf(id: ExecutionId, prompt: JsonObject): ExecutionId {
  for (let cut = id.length; cut > 0; cut = id.lastIndexOf(".", cut - 1)) if (Object.hasOwn(prompt, id.slice(0, cut))) return id.slice(0, cut);
  return id;
}

/** Messages that history keeps and that tell how a run went. */
const LASTING: Readonly<Partial<Record<RunEvent["type"], true>>> = {
  execution_start: true,
  execution_cached: true,
  execution_success: true,
  execution_error: true,
  execution_interrupted: true,
};

function timeOf(event: OwnEvent): number | undefined {
  return "timestamp" in event.data ? event.data.timestamp : undefined;
}

function merged(before: NodeOutput, more: NodeOutput | null): NodeOutput {
  const keys = new Set([...Object.keys(before), ...Object.keys(more ?? {})]);
  return Object.fromEntries([...keys].map((key) => [key, [...(before[key] ?? []), ...(more?.[key] ?? [])]]));
}

function faultsOf(errors: NodeErrors): Map<ExecutionId, readonly NodeError[]> {
  return new Map(Object.entries(errors).map(([id, faults]) => [id, faults.errors.map(errorOf)]));
}

/** Where the refusal itself names a node, as one of an unknown class is named, that node bears it. */
function faultsOfRefusal({ error, node_errors }: PromptRejected): Map<ExecutionId, readonly NodeError[]> {
  const faults = faultsOf(node_errors);
  const named = error.extra_info?.node_id;
  if (typeof named === "string" && !faults.has(named)) faults.set(named, [errorOf(error)]);
  return faults;
}

function errorOf(fault: Fault): NodeError {
  const input = fault.extra_info?.input_name;
  return { message: fault.message, cause: fault.details, kind: fault.type, traceback: [], ...(typeof input === "string" && { input }) };
}

function runOf(state: Runs, id: PromptId): Run {
  return state.runs.get(id) ?? { id, phase: "waiting", nodes: new Map() };
}

function withNode(run: Run, id: ExecutionId, fields: Fields): Run {
  const before: NodeRun = run.nodes.get(id) ?? { state: "waiting" };
  return { ...run, nodes: new Map(run.nodes).set(id, clean({ ...before, ...fields })) };
}

/** Without the fields that are undefined. */
function clean(fields: Fields): NodeRun {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as unknown as NodeRun;
}

function putRun(state: Runs, run: Run, show = true): Runs {
  const runs = new Map(state.runs).set(run.id, run);
  for (const [id, old] of runs) if (runs.size > KEPT && isOver(old) && id !== run.id) runs.delete(id);
  return { ...state, runs, latest: show ? run.id : state.latest };
}
