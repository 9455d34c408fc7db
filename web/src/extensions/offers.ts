/** What packs offer in menus and among commands, as the canvas's own entries. */
import type { ExtendedMenu, Offer } from "../app/extending";
import { NodeBase } from "./litegraph/node-base";
import type { Loose, Open } from "./loose";
import type { Runtime } from "./runtime.svelte";

export function commandsOf({ commands, guard }: Runtime): readonly Offer[] {
  return [...commands.values()].map(({ id, label, function: work, keys }: Open) => ({
    id: `pack:${id}`,
    label: String((typeof label === "function" ? label() : label) ?? id),
    ...(keys !== undefined && { keys: String(keys) }),
    run: () => void guard.run(() => work?.(), `command ${id}`),
  }));
}

/** Entries that packs put into the menu of a node, or with undefined of the canvas. */
export function menuOf(runtime: Runtime, node: Loose, at: readonly [number, number]): readonly ExtendedMenu[] {
  const { guard, comfy, canvas } = runtime;
  const options: Loose[] = [];
  if (node) {
    if (canvas) canvas.current_node = node;
    // Some look for the field's own entries to stand behind.
    options.push({ content: "Shape", ours: true }, { content: "Colors", ours: true });
    const more = guard.call(node, "getExtraMenuOptions", canvas, options);
    if (Array.isArray(more)) options.unshift(...more);
    options.push(...comfy._invoke("getNodeMenuItems", node).flat());
  } else {
    options.push(...(guard.call(canvas ?? {}, "getCanvasMenuOptions") ?? []), ...comfy._invoke("getCanvasMenuItems", canvas).flat());
  }
  return options.filter((option) => option !== undefined && !option?.ours).map((option) => entryOf(runtime, option, node, at));
}

/** Some draw rows with menus of their own: they tell of a slot that is none where such a row lies. */
export function openOwnMenu({ guard, canvas, lite }: Runtime, node: Loose, [x, y]: readonly [number, number], event: MouseEvent): boolean {
  Object.assign(event, { canvasX: x, canvasY: y });
  guard.call(canvas ?? {}, "adjustMouseEvent", event); // packs learn from it where the pointer is
  if (!node || node.getSlotInPosition === NodeBase.prototype.getSlotInPosition) return false;
  const slot = guard.call(node, "getSlotInPosition", x, y);
  if (!slot?.widget) return false;
  const entries = guard.call(node, "getSlotMenuOptions", slot);
  if (Array.isArray(entries) && entries.length > 0) new lite.ContextMenu(entries, { event, extra: slot, node });
  return document.querySelector(".litecontextmenu") !== null;
}

function entryOf({ guard, lite }: Runtime, option: Loose, node: Loose, at: readonly [number, number]): ExtendedMenu {
  if (option === null) return "line";
  const label = plain(String(option.content ?? option));
  const event = new MouseEvent("click", { clientX: at[0], clientY: at[1] });
  return {
    label,
    disabled: option.disabled === true,
    pick: () => void guard.run(() => {
      if (option.submenu) return new lite.ContextMenu(option.submenu.options, { ...option.submenu, event, node, extra: node });
      return option.callback?.call(undefined, option, {}, event, undefined, node);
    }, `menu entry ${label}`, node),
  };
}

/** Entries are HTML; ours are words. */
function plain(html: string): string {
  return new DOMParser().parseFromString(html, "text/html").body.textContent?.trim() ?? "";
}
