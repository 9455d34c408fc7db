/** English: what other languages are translated from. One file for each room; the key begins with the file's name. */
import { shell } from "./shell";

export const en = { ...shell } as const;
