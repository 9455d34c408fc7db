/** Values that scripts of packs hand us and expect back: they put anything anywhere, so nothing can be promised of them. */

export type Loose = any;

/** An object with whatever a script hangs on it. */
export interface Open {
  [key: string]: Loose;
}
