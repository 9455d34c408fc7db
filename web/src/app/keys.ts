/** Keys to actions. Fields keep their own keys while they are written in. */
import { type Action } from "./actions";
import { t } from "../words";

const MAC = /Mac|iPhone|iPad/.test(globalThis.navigator?.platform ?? "");

/** The name of what was pressed, as the table of actions writes it. */
export function pressed(event: KeyboardEvent): string {
  const mod = MAC ? event.metaKey : event.ctrlKey;
  const key = event.code.startsWith("Key") && (event.altKey || mod) ? event.code.slice(3) : event.key.length === 1 ? event.key.toUpperCase() : event.key;
  const shift = event.shiftKey && (event.key.length > 1 || mod || event.altKey || event.code.startsWith("Key"));
  return [mod && "Mod", event.altKey && "Alt", shift && "Shift", key].filter(Boolean).join("+");
}

export function actionFor(event: KeyboardEvent, actions: readonly Action[]): Action | undefined {
  return actionOn(pressed(event), actions);
}

/** Keys as they are shown on this machine. */
export function shownKeys(keys: string): string {
  const first = keys.split("|")[0] ?? keys;
  return first.replace("Mod", MAC ? "⌘" : t("shell.ctrl")).replace("Shift", MAC ? "⇧" : t("shell.shift")).replaceAll("+", MAC ? " " : " + ").replace("Backspace", "⌫").replace("Delete", t("shell.delete"));
}

/** Whether the keys belong to something that is being written. */
/** Keys that the browser or the canvas has for good: no action can be put on them. */
export function isTaken(keys: string): boolean {
  return /^(Escape|Tab|Shift\+Tab|Arrow\w+|Shift\+Arrow\w+| |Mod\+[CVXWTN]|Mod\+Shift\+V|F5|F12|Mod\+Shift\+[TIN])$/.test(keys);
}

/** Two actions that the same keys would do. */
export function actionOn(keys: string, actions: readonly Action[]): Action | undefined {
  return actions.find((action) => action.keys?.split("|").includes(keys));
}

export function isWriting(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input:not([type=color]):not([type=checkbox]):not([type=file]), textarea, select"));
}
