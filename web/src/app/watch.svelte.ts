/** Keeps count of what stands in the way of a workflow: looked through when the person pauses. */
import { ROOT } from "../graph";
import type { Editor } from "./editor.svelte";
import { NO_TROUBLES, type Place, type Troubles, countOf, missingIn, saidOf } from "./troubles";

const PAUSE_MS = 700;

export class Watch {
  found = $state.raw<Troubles>(NO_TROUBLES);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly editor: Editor) {}

  get count(): number {
    return countOf(this.found);
  }

  soon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.look(), PAUSE_MS);
  }

  look(): Troubles {
    clearTimeout(this.#timer);
    const { document, faults, run } = this.editor;
    const { nodes } = document.graph(ROOT);
    const errors = [...nodes.keys()].flatMap((id) => {
      const [told, error] = [faults.get(String(id)) ?? [], run?.phase === "failed" ? this.editor.rootStatusOf(id)?.error : undefined];
      return told.length > 0 || error ? [[id, told, error] as const] : [];
    });
    this.found = { ...missingIn(document.state, document.defs), said: saidOf(document.state, document.defs, errors) };
    return this.found;
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

/** Go to a node, and to its field if one is named. */
export function goTo(editor: Editor, { graph, node, field }: Place): void {
  editor.go(graph);
  editor.view.select([node]);
  editor.stage.fit([node]);
  let tries = 0;
  const focus = (): void => {
    const element = document.querySelector(`[data-testid="node-${CSS.escape(String(node))}"]`);
    const at = field === undefined ? null : element?.querySelector<HTMLElement>(`[data-field="${CSS.escape(field)}"]`);
    const target = at?.matches("button, [tabindex]") ? at : at?.querySelector<HTMLElement>("textarea, input, [tabindex], button");
    if (target) target.focus({ preventScroll: true });
    else if (!element && (tries += 1) < 30) requestAnimationFrame(focus);
  };
  requestAnimationFrame(focus);
}
