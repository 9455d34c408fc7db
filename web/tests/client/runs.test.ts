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
  });

  test("a run that ended meanwhile gets its outputs and its time", async () => {
    const before = play([start, executing("9")]);
    const after = play(await resync(server({ [id]: entry }, []), before), before);
    expect(after.runs.get(id)).toMatchObject({ phase: "done", ms: 2000 });
    expect(after.runs.get(id)?.nodes.get("9")?.output).toEqual(entry.outputs["9"]);
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
    expect(run?.error?.message).toContain("no longer knows");
  });
});
