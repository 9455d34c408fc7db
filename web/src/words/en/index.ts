/** English: what other languages are translated from. One file for each room; the key begins with the file's name. */
import { shell } from "./shell";
import { actions } from "./actions";
import { menus } from "./menus";
import { steps } from "./steps";

export const en = { ...shell, ...actions, ...menus, ...steps } as const;
