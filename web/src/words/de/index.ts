/** German. The terms of the field stay English where people say them so: checkpoint, LoRA, VAE, seed. */
import type { Catalogue } from "../languages";
import { shell } from "./shell";

export const de: Catalogue = { ...shell };
