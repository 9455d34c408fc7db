/** After the line was down: ask the server how our runs went meanwhile. */
import type { Client } from "./http";
import type { RunEvent, Runs } from "./runs";

/** @returns events for `reduce`, for each run that we believe to be waiting or running. */
export async function resync(client: Pick<Client, "queue" | "historyOf">, state: Runs): Promise<RunEvent[]> {
  const open = [...state.runs.values()].filter(({ phase }) => phase === "waiting" || phase === "running");
  const { queue_running: running, queue_pending: pending } = await client.queue();
  const events: RunEvent[] = [
    { type: "status", data: { status: { exec_info: { queue_remaining: running.length + pending.length } } } },
  ];
  const alive = new Set([...running, ...pending].map(([, id]) => id));
  for (const { id } of open) {
    if (alive.has(id)) continue;
    const entry = (await client.historyOf(id))[id];
    events.push(
      entry ? { type: "history", data: { prompt_id: id, entry } } : { type: "forgotten", data: { prompt_id: id } },
    );
  }
  return events;
}
