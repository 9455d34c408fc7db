/** Dragging waiting jobs to another place: a line shows where they would land; nothing moves before that. */
import type { PromptId } from "../client";
import type { Queue } from "../app/queue.svelte";

const FAR = 4;
/** Nearer than this to the panel's edge, it scrolls. */
const EDGE = 28;

export class WaitingDrag {
  /** The jobs that are carried. */
  carried = $state.raw<readonly PromptId[]>([]);
  /** Beside which job they would land. */
  goal = $state.raw<{ readonly id: PromptId; readonly side: "before" | "after" } | undefined>();
  #start: { readonly id: PromptId; readonly y: number; readonly pointer: number } | undefined;

  constructor(
    readonly queue: Queue,
    readonly list: () => HTMLElement | undefined,
  ) {}

  down(event: PointerEvent, id: PromptId): void {
    if (event.button !== 0 || (event.target instanceof Element && event.target.closest("button, input"))) return;
    this.#start = { id, y: event.clientY, pointer: event.pointerId };
  }

  move(event: PointerEvent): void {
    const start = this.#start;
    if (!start || start.pointer !== event.pointerId) return;
    if (this.carried.length === 0) {
      if (Math.abs(event.clientY - start.y) < FAR) return;
      this.carried = this.queue.withSelected(start.id);
      (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
    }
    this.#scroll(event.clientY);
    this.goal = this.#at(event.clientY);
  }

  up(): void {
    const { carried, goal } = this;
    this.cancel();
    if (carried.length > 0 && goal) void this.queue.move(carried, goal.side === "before" ? { before: goal.id } : { after: goal.id });
  }

  /** @returns whether anything was carried. */
  cancel(): boolean {
    const carrying = this.carried.length > 0;
    this.#start = this.goal = undefined;
    this.carried = [];
    return carrying;
  }

  /** Undefined where they would stay: beside themselves. */
  #at(y: number): typeof this.goal {
    const rows = [...(this.list()?.querySelectorAll<HTMLElement>("[data-job]") ?? [])].filter((row) => !this.carried.includes(row.dataset.job ?? ""));
    const below = rows.find((row) => y < middle(row));
    const row = below ?? rows.at(-1);
    return row && { id: row.dataset.job ?? "", side: below ? "before" : "after" };
  }

  #scroll(y: number): void {
    const panel = this.list()?.closest("aside");
    const box = panel?.getBoundingClientRect();
    if (!panel || !box) return;
    if (y < box.top + EDGE) panel.scrollTop -= EDGE / 2;
    else if (y > box.bottom - EDGE) panel.scrollTop += EDGE / 2;
  }
}

function middle(row: HTMLElement): number {
  const { top, height } = row.getBoundingClientRect();
  return top + height / 2;
}
