/** Japanese. The terms of the field stay English where people say them so: checkpoint, LoRA, VAE, seed. */
import type { Catalogue } from "../languages";
import { shell } from "./shell";
import { form } from "./form";
import { gallery } from "./gallery";
import { models } from "./models";
import { templates } from "./templates";
import { actions } from "./actions";
import { menus } from "./menus";
import { steps } from "./steps";
import { queue } from "./queue";
import { panels } from "./panels";
import { sheets } from "./sheets";
import { nodes } from "./nodes";
import { errors } from "./errors";
import { mask } from "./mask";
import { easel } from "./easel";
import { compare } from "./compare";
import { colours } from "./colours";

export const ja: Catalogue = { ...shell, ...form, ...gallery, ...models, ...templates, ...actions, ...menus, ...steps, ...queue, ...panels, ...sheets, ...nodes, ...errors, ...mask, ...easel, ...compare, ...colours };
