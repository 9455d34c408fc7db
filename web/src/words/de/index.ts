/** German. The terms of the field stay English where people say them so: checkpoint, LoRA, VAE, seed. */
import type { Catalogue } from "../languages";
import { shell } from "./shell";
import { actions } from "./actions";
import { menus } from "./menus";
import { steps } from "./steps";

export const de: Catalogue = { ...shell, ...actions, ...menus, ...steps };
