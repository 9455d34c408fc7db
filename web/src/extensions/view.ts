/** The editor on screen as the canvas face asks for it. */
import { type NodeId, isBoundary, removeNodes } from "../graph";
import { clipboardOf } from "../app/actions";
import { arrangeChosen } from "../app/arranging";
import { stringifyJson } from "../graph";
import type { View } from "./litegraph/canvas";
import type { Loose } from "./loose";
import type { Runtime } from "./runtime.svelte";

export function viewOf(runtime: Runtime): View {
  const { app } = runtime;
  const editor = (): typeof app.active => app.active;
  const shown = (): Loose => runtime.binding?.views.get(editor()?.view.scope ?? "root") ?? runtime.root;
  return {
    get scale() { return editor()?.view.camera.scale ?? 1; },
    get offset() { return editor()?.view.camera.offset ?? [0, 0]; },
    look: (scale, offset) => editor()?.view.setCamera({ scale, offset }),
    get chosen() { return [...(editor()?.view.selection.nodes ?? [])].map((id) => shown().getNodeById(id)).filter(Boolean); },
    choose: (nodes) => editor()?.view.select(nodes.filter((node) => node?.id !== undefined).map((node) => node.id as NodeId).filter((id) => !isBoundary(id))),
    get graph() { return shown(); },
    go: (graph) => graph?.id !== undefined && editor()?.go(String(graph.id)),
    get size() { return editor()?.stage.size as [number, number] ?? [innerWidth, innerHeight]; },
    redraw: () => {
      editor()?.stage.invalidate();
      runtime.surfaces.redraw();
    },
    pointOf: (event) => editor()?.stage.pointAt(event) as [number, number] ?? [0, 0],
    ask: (title, value, done, event) => ask(title, value, done, event),
    search: (event) => app.popups.show({ kind: "palette", at: event?.clientX === undefined ? undefined : [event.clientX, event.clientY], place: undefined, wire: undefined, first: "" }),
    arrange: () => {
      const active = editor();
      if (active) void arrangeChosen(app, active).catch((error: unknown) => app.fail(error));
    },
    copy: () => {
      const active = editor();
      if (active) void navigator.clipboard?.writeText(stringifyJson(clipboardOf(active)));
    },
    paste: () => void app.pasteHere(editor()?.stage.middle ?? [0, 0]),
    remove: () => {
      const active = editor();
      if (active) active.document.execute(removeNodes(active.view.scope, active.view.selection.nodes));
    },
  };
}

/** The field's small question: scripts change its field and close it. */
function ask(title: string, value: Loose, done: (value: string) => void, event: Loose): HTMLElement {
  const dialog: Loose = document.createElement("div");
  dialog.className = "graphdialog rounded";
  const name = document.createElement("span");
  name.className = "name";
  name.textContent = title;
  const field = document.createElement("input");
  field.className = "value";
  field.setAttribute("aria-label", title);
  field.value = String(value ?? "");
  const ok = document.createElement("button");
  ok.textContent = "OK";
  dialog.append(name, field, ok);
  dialog.style.left = `${event?.clientX ?? innerWidth / 2 - 100}px`;
  dialog.style.top = `${event?.clientY ?? innerHeight / 3}px`;
  dialog.close = () => dialog.remove();
  const finish = (): void => {
    dialog.close();
    done(field.value);
  };
  ok.addEventListener("click", finish);
  dialog.addEventListener("keydown", (pressed: KeyboardEvent) => {
    pressed.stopPropagation();
    if (pressed.key === "Enter") finish();
    if (pressed.key === "Escape") dialog.close();
  });
  document.body.append(dialog);
  field.select();
  field.focus();
  return dialog;
}
