/** Keys to actions. Fields keep their own keys while they are written in. */
import { type Action } from "./actions";

const MAC = /Mac|iPhone|iPad/.test(navigator.platform);

/** The name of what was pressed, as the table of actions writes it. */
export function pressed(event: KeyboardEvent): string {
  const mod = MAC ? event.metaKey : event.ctrlKey;
  const key = event.code.startsWith("Key") && (event.altKey || mod) ? event.code.slice(3) : event.key.length === 1 ? event.key.toUpperCase() : event.key;
  const shift = event.shiftKey && (event.key.length > 1 || mod || event.altKey);
  return [mod && "Mod", event.altKey && "Alt", shift && "Shift", key].filter(Boolean).join("+");
}

export function actionFor(event: KeyboardEvent, actions: readonly Action[]): Action | undefined {
  const name = pressed(event);
  return actions.find(({ keys }) => keys?.split("|").includes(name));
}

/** Keys as they are shown on this machine. */
export function shownKeys(keys: string): string {
  const first = keys.split("|")[0] ?? keys;
  return first.replace("Mod", MAC ? "⌘" : "Ctrl").replace("Shift", MAC ? "⇧" : "Shift").replaceAll("+", MAC ? " " : " + ").replace("Backspace", "⌫").replace("Delete", "Del");
}

/** Whether the keys belong to something that is being written. */
export function isWriting(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input:not([type=color]):not([type=checkbox]):not([type=file]), textarea, select"));
}
