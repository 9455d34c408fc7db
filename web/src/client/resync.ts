/** After the line was down, or the page was loaded again: ask the server how our runs went meanwhile. */
import type { Client } from "./http";
import type { RunEvent, Runs } from "./runs";
import type { PromptId } from "./wire";

type Asked = Pick<Client, "queue" | "historyOf" | "job">;

/** @returns events for `reduce`, for each run that we believe to be waiting or running. */
export async function resync(client: Asked, state: Runs): Promise<RunEvent[]> {
  const open = [...state.runs.values()].filter(({ phase }) => phase === "waiting" || phase === "running");
  const { queue_running: running, queue_pending: pending } = await client.queue();
  const events: RunEvent[] = [
    { type: "status", data: { status: { exec_info: { queue_remaining: running.length + pending.length } } } },
  ];
  const alive = new Set([...running, ...pending].map(([, id]) => id));
  for (const { id } of open) if (!alive.has(id)) events.push(await recollect(client, id));
  return events;
}

/** How a run went that is over: its outputs and failures, and how long each node took. */
export async function recollect(client: Asked, id: PromptId): Promise<RunEvent> {
  const entry = (await client.historyOf(id))[id];
  if (!entry) return { type: "forgotten", data: { prompt_id: id } };
  const { timings } = await client.job(id).catch(() => ({ timings: undefined })); // a server that keeps no times
  return { type: "history", data: { prompt_id: id, entry, ...(timings && { timings }) } };
}
