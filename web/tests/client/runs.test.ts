import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type HistoryEntry,
  NO_RUNS,
  type Run,
  type RunEvent,
  type Runs,
  reduce,
  resync,
  visibleNode,
} from "../../src/client";

const id = "p1";
const progressOf = (node: string, state: "running" | "finished", value = 0, max = 1): RunEvent => ({
  type: "progress_state",
  data: {
    prompt_id: id,
    nodes: { [node]: { value, max, state, node_id: node, prompt_id: id, display_node_id: node } },
  },
});
const executing = (node: string | null): RunEvent => ({
  type: "executing",
  data: { node, prompt_id: id, ...(node !== null && { display_node: node }) },
});
const start: RunEvent = { type: "execution_start", data: { prompt_id: id, timestamp: 1 } };
const success: RunEvent = { type: "execution_success", data: { prompt_id: id, timestamp: 9 } };

/** Each event 10 ms after the one before. */
function play(events: readonly RunEvent[], from: Runs = NO_RUNS): Runs {
  return events.reduce((state, event, index) => reduce(state, event, 10 * (index + 1)), from);
}

function runAfter(...events: RunEvent[]): Run | undefined {
  return play(events).runs.get(id);
}

describe("a run", () => {
  test("goes from waiting to done, its nodes with it, each with its time", () => {
    const run = runAfter(
      { type: "queued", data: { prompt_id: id, node_errors: {} } },
      start,
      { type: "execution_cached", data: { prompt_id: id, nodes: ["1"] } },
      progressOf("2", "running"),
      executing("2"),
      progressOf("2", "running", 3, 20),
      { type: "progress", data: { prompt_id: id, node: "2", value: 4, max: 20 } },
      progressOf("2", "finished"),
      executing("3"),
      {
        type: "executed",
        data: {
          node: "3",
          display_node: "3",
          prompt_id: id,
          output: { images: [{ filename: "a.png", subfolder: "", type: "output" }] },
        },
      },
      success,
      executing(null),
    );
    expect(run?.phase).toBe("done");
    expect(Object.fromEntries(run?.nodes ?? [])).toEqual({
      "1": { state: "cached" },
      "2": { state: "done", startedAt: 40, ms: 40 },
      "3": {
        state: "done",
        startedAt: 90,
        ms: 10,
        output: { images: [{ filename: "a.png", subfolder: "", type: "output" }] },
      },
    });
  });

  test("shows how far its node is, and a preview until it is done", () => {
    const preview = { node: "2", displayNode: "2", prompt: id, mime: "image/jpeg", bytes: new Uint8Array([1]) };
    const events: RunEvent[] = [
      start,
      executing("2"),
      { type: "progress", data: { prompt_id: id, node: "2", value: 4, max: 20 } },
      { type: "preview", data: preview },
    ];
    expect(runAfter(...events)?.nodes.get("2")).toEqual({
      state: "running",
      startedAt: 20,
      value: 4,
      max: 20,
      preview,
    });
    expect(runAfter(...events, progressOf("2", "finished"))?.nodes.get("2")).not.toHaveProperty("preview");
  });

  test("gives a preview without a name to the node that runs", () => {
    const preview = {
      node: undefined,
      displayNode: undefined,
      prompt: undefined,
      mime: "image/png",
      bytes: new Uint8Array(),
    };
    expect(runAfter(start, executing("2"), { type: "preview", data: preview })?.nodes.get("2")?.preview).toBe(preview);
  });

  test("that fails marks the node with message and cause, and stops the others", () => {
    const run = runAfter(start, executing("2"), progressOf("4", "running"), {
      type: "execution_error",
      data: {
        prompt_id: id,
        node_id: "2",
        node_type: "KSampler",
        executed: [],
        exception_message: "no room\n",
        exception_type: "torch.OutOfMemoryError",
        traceback: ["t"],
      },
    });
    expect(run?.phase).toBe("failed");
    expect(run?.nodes.get("2")).toMatchObject({
      state: "error",
      error: { message: "no room", cause: "torch.OutOfMemoryError", traceback: ["t"] },
    });
    expect(run?.nodes.get("4")?.state).toBe("stopped");
  });

  test("that is stopped leaves nothing running", () => {
    const run = runAfter(
      start,
      executing("2"),
      { type: "execution_interrupted", data: { prompt_id: id, node_id: "2", node_type: "KSampler", executed: [] } },
      executing(null),
    );
    expect([run?.phase, run?.nodes.get("2")?.state]).toEqual(["stopped", "stopped"]);
  });

  describe("of a server that tells of each node", () => {
    const at = (node: string, display = node) => ({ prompt_id: id, node, display_node: display });
    const started = (node: string, display?: string): RunEvent => ({ type: "node_started", data: at(node, display) });
    const memory = { host: 9, growth: 1, device: 0 };
    const finished = (node: string, seconds: number, more: object = {}): RunEvent => ({
      type: "node_finished",
      data: { ...at(node), cached: false, seconds, memory, ...more },
    });
    const failed = (node: string): RunEvent => ({
      type: "node_failed",
      data: { ...at(node), node_type: "Boom", exception_message: "It broke.\n", exception_type: "E", traceback: [] },
    });

    test("shows the time and memory that the worker measured, and what was cached", () => {
      const run = runAfter(
        start,
        started("1"),
        { type: "node_progress", data: { ...at("1"), value: 1, max: 4 } },
        finished("1", 0.25),
        finished("2", 0, { cached: true, memory: null }),
        success,
      );
      expect(Object.fromEntries(run?.nodes ?? [])).toEqual({
        "1": { state: "done", startedAt: 20, ms: 250, memory },
        "2": { state: "cached" },
      });
    });

    test("shows a failed node at once, while others run", () => {
      const run = runAfter(start, started("1"), started("2"), failed("1"));
      expect(run?.phase).toBe("running");
      expect(run?.nodes.get("1")).toMatchObject({ state: "error", error: { message: "It broke.", cause: "E" } });
      expect(run?.nodes.get("2")?.state).toBe("running");
    });

    test("lets nodes run at the same time", () => {
      const run = runAfter(start, started("1"), started("2"), finished("2", 1));
      expect([run?.nodes.get("1")?.state, run?.nodes.get("2")?.state]).toEqual(["running", "done"]);
    });

    test("counts the time of nodes that a node made as its own", () => {
      const run = runAfter(
        start,
        started("1"),
        started("1.0", "1"),
        finished("1.0", 0.5, { display_node: "1" }),
        finished("1.1", 0.25, { display_node: "1" }),
        finished("1", 0.25),
      );
      expect(run?.nodes.get("1")).toEqual({ state: "done", startedAt: 20, ms: 1000, memory });
    });

    test("says why a node is switched off", () => {
      const blocked: RunEvent = { type: "node_blocked", data: { ...at("1"), node_type: "Gate", message: "too large" } };
      const run = runAfter(start, started("1"), blocked, finished("1", 0, { memory: null }), success);
      expect(run?.nodes.get("1")).toEqual({ state: "off", startedAt: 20, note: "too large" });
    });

    test("told again from the beginning comes to the same", () => {
      const events = [start, started("1"), finished("1", 0.5), started("2"), failed("2"), started("3"), finished("3", 1)];
      const once = runAfter(...events);
      const twice = runAfter(...events, ...events);
      const plain = (run: Run | undefined) => [...(run?.nodes ?? [])].map(([node, { startedAt: _, ...rest }]) => [node, rest]);
      expect(plain(twice)).toEqual(plain(once));
    });
  });

  test("adds to an output where it is told to", () => {
    const out = (text: string, merge: boolean): RunEvent => ({
      type: "executed",
      data: { node: "3", prompt_id: id, output: { text: [text] }, merge },
    });
    expect(runAfter(start, out("a", false), out("b", true))?.nodes.get("3")?.output).toEqual({ text: ["a", "b"] });
  });

  test("once over, runs no more, whatever comes late", () => {
    const late: RunEvent[] = [
      executing("2"),
      progressOf("2", "running"),
      { type: "progress", data: { prompt_id: id, node: "2", value: 1, max: 2 } },
    ];
    fc.assert(
      fc.property(fc.shuffledSubarray(late), (events) => {
        const run = runAfter(start, success, ...events);
        expect(run?.phase).toBe("done");
        expect([...(run?.nodes.values() ?? [])].some(({ state }) => state === "running")).toBe(false);
      }),
    );
  });

  test("that begins again forgets how it went", () => {
    expect(runAfter(start, executing("2"), start)?.nodes.size).toBe(0);
  });
});

test("a refusal that names a node itself marks that node", () => {
  const extra_info = { node_id: "7", class_type: "Nobody", node_title: "Nobody" };
  const error = { type: "missing_node_type", message: "Node 'Nobody' not found.", details: "Node ID '#7'", extra_info };
  const refused = play([{ type: "refused", data: { error, node_errors: {} } }]);
  expect(refused.faults.get("7")).toMatchObject([{ message: error.message, kind: "missing_node_type" }]);
});

test("a refused prompt marks nodes and inputs until one is accepted", () => {
  const fault = {
    type: "value_not_in_list",
    message: "Value not in list",
    details: "ckpt_name",
    extra_info: { input_name: "ckpt_name" },
  };
  const refused = play([
    {
      type: "refused",
      data: {
        error: { ...fault, message: "Prompt outputs failed validation", details: "" },
        node_errors: { "4": { errors: [fault], dependent_outputs: ["9"], class_type: "X" } },
      },
    },
  ]);
  expect(refused.faults.get("4")).toEqual([
    { kind: "value_not_in_list", message: "Value not in list", cause: "ckpt_name", input: "ckpt_name", traceback: [] },
  ]);
  expect(refused.refused?.message).toBe("Prompt outputs failed validation");
  const accepted = play([{ type: "queued", data: { prompt_id: id, node_errors: {} } }], refused);
  expect([accepted.faults.size, accepted.refused]).toEqual([0, undefined]);
});

test("a prompt that waits does not take the place of the run that is shown", () => {
  const state = play([start, { type: "queued", data: { prompt_id: "p2", node_errors: {} } }]);
  expect([state.latest, state.runs.get("p2")?.phase]).toEqual([id, "waiting"]);
});

test("old runs are dropped, open ones never", () => {
  const open: RunEvent = { type: "execution_start", data: { prompt_id: "open" } };
  const many = Array.from({ length: 200 }, (_, index): RunEvent => ({
    type: "execution_success",
    data: { prompt_id: `n${index}` },
  }));
  const { runs } = play([open, ...many]);
  expect(runs.size).toBe(50);
  expect(runs.has("open")).toBe(true);
});

test("a node inside a subgraph shows on its instance", () => {
  expect(["7", "12:7", "12:3:9"].map(visibleNode)).toEqual(["7", "12", "12"]);
});

describe("after the line was down", () => {
  const entry: HistoryEntry = {
    prompt: [1, id, {}, {}, []],
    outputs: { "9": { images: [{ filename: "a.png", subfolder: "", type: "output" }] } },
    status: {
      status_str: "success",
      completed: true,
      messages: [
        ["execution_start", { prompt_id: id, timestamp: 1000 }],
        ["execution_cached", { prompt_id: id, nodes: ["1"], timestamp: 1001 }],
        ["execution_success", { prompt_id: id, timestamp: 3000 }],
      ],
    },
    meta: { "9": { node_id: "9", display_node: "9", parent_node: null, real_node_id: "9" } },
  };
  const server = (history: Record<string, HistoryEntry>, running: string[]): Parameters<typeof resync>[0] => ({
    queue: async () => ({ queue_running: running.map((each) => [1, each, {}, {}, []] as const), queue_pending: [] }),
    historyOf: async (each) => (history[each] ? { [each]: history[each] } : {}),
    job: async (each) => ({ id: each, status: "completed", priority: 1, create_time: 0, outputs_count: 1, timings }),
  });
  const timings = { "9": 1.5, "2": 0.25, "12:3": 0.5, "2.0.1": 0.75 };

  test("a run that ended meanwhile gets its outputs and its time", async () => {
    const before = play([start, executing("9")]);
    const after = play(await resync(server({ [id]: entry }, []), before), before);
    expect(after.runs.get(id)).toMatchObject({ phase: "done", ms: 2000 });
    expect(after.runs.get(id)?.nodes.get("9")?.output).toEqual(entry.outputs["9"]);
  });

  test("a run that ended meanwhile gets the time of each node, with what it made as a part of it", async () => {
    const before = play([start, executing("9")]);
    const prompt = [1, id, { "2": {}, "9": {}, "12:3": {} }, {}, []] as const;
    const { nodes } = play(await resync(server({ [id]: { ...entry, prompt } }, []), before), before).runs.get(id) as Run;
    expect(Object.fromEntries([...nodes].map(([node, { state, ms }]) => [node, [state, ms]]))).toEqual({
      "1": ["cached", undefined],
      "2": ["done", 1000],
      "9": ["done", 1500],
      "12:3": ["done", 500],
    });
  });

  test("a run that ended meanwhile shows all its nodes that failed", async () => {
    const failed = (node: string) => ({
      ...{ prompt_id: id, node, display_node: node, node_type: "Boom" },
      ...{ exception_message: `${node} broke.`, exception_type: "E", traceback: [] },
    });
    const status = { status_str: "error" as const, completed: false, messages: [] };
    const before = play([start, executing("9")]);
    const told = await resync(server({ [id]: { ...entry, status, failures: [failed("3"), failed("4")] } }, []), before);
    const run = play(told, before).runs.get(id);
    expect(run?.phase).toBe("failed");
    expect(["3", "4"].map((node) => run?.nodes.get(node)?.error?.message)).toEqual(["3 broke.", "4 broke."]);
  });

  test("a run that goes on is left alone", async () => {
    const before = play([start, executing("9")]);
    const after = play(await resync(server({}, [id]), before), before);
    expect(after.runs).toEqual(before.runs);
    expect(after.queueRemaining).toBe(1);
  });

  test("a run that the server forgot is over, and says why", async () => {
    const before = play([start, executing("9")]);
    const run = play(await resync(server({}, []), before), before).runs.get(id);
    expect([run?.phase, run?.nodes.get("9")?.state]).toEqual(["stopped", "stopped"]);
    expect(run?.error?.message).toContain("run-lost");
  });
});
