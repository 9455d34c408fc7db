/** What opens above the page: one at a time, closed by Escape or a press beside it. */
import type { FileRef } from "../client";
import type { ComboValue, NodeDef, NodeId, Point, Rect } from "../graph";
import type { Wire } from "../canvas/wire";
import type { MaskLayers } from "../easel/layers";
import type { Painting } from "../easel/painting";
import type { MaskTarget } from "./masks";
import type { Made } from "../gallery/found";
import type { Conflict } from "./conflict";

export interface MenuItem {
  readonly label: string;
  readonly keys?: string;
  readonly danger?: boolean;
  readonly disabled?: boolean;
  readonly colours?: readonly { readonly name: string; readonly value: string | undefined }[];
  readonly pick?: (value?: string) => void;
}

/** A picture that can be held against another. */
export interface Compared {
  readonly file: FileRef;
  readonly url: string;
  readonly small: string | undefined;
  readonly words: string;
}

/** A picture that a node loads and a person works on. */
interface OnEasel {
  readonly name: string;
  /** The picture without its alpha. */
  readonly url: string;
  readonly alphaUrl: string;
  readonly target: MaskTarget;
}

export type Popup =
  | {
      readonly kind: "choices";
      readonly anchor: DOMRect;
      readonly options: readonly ComboValue[];
      readonly chosen: readonly ComboValue[];
      readonly name: string;
      readonly pick: (value: ComboValue) => void;
      readonly keepOpen: boolean;
    }
  | { readonly kind: "menu"; readonly at: Point; readonly items: readonly (MenuItem | "line")[]; readonly name: string }
  /** Add a node, find one, do something. `at`: page pixels, or under the field at the top; `place`: where a new node goes. */
  | { readonly kind: "palette"; readonly at: Point | undefined; readonly place: Point | undefined; readonly wire: Wire | undefined; readonly first: string; /** The node whose place the chosen type takes. */ readonly replace?: NodeId; /** Nodes that are here are offered to the thread too, and first. */ readonly join?: true }
  | { readonly kind: "line"; readonly at: Point; readonly width: number; readonly label: string; readonly text: string; /** Also where the text stays as it was, and not by leaving it. */ readonly always?: boolean; readonly done: (text: string) => void }
  | { readonly kind: "picture"; readonly url: string; readonly words: string; readonly open: (() => void) | undefined; /** Where it lies, if it can be held against others. */ readonly file?: FileRef; /** Of what it was made. */ readonly about?: Made }
  | { readonly kind: "differences"; readonly left: Made; readonly right: Made }
  | { readonly kind: "conflict"; readonly conflict: Conflict }
  | (OnEasel & { readonly kind: "mask"; /** Drawn before. */ readonly drawing?: MaskLayers })
  | (OnEasel & { readonly kind: "paint"; /** Painted before. */ readonly drawing?: Painting })
  | (OnEasel & { readonly kind: "crop" })
  /** A rectangle is chosen on a picture, and nothing is cut. */
  | (Omit<OnEasel, "target"> & { readonly kind: "rectangle"; readonly from: Rect; readonly use: (rect: Rect) => void })
  | { readonly kind: "compare"; readonly left: Compared; readonly right: Compared; readonly all: readonly Compared[] }
  | { readonly kind: "help"; readonly def: NodeDef }
  | { readonly kind: "troubles" }
  | { readonly kind: "colours" }
  | { readonly kind: "templates" }
  | { readonly kind: "form" }
  | { readonly kind: "settings" }
  | { readonly kind: "keys" };

export type PopupOf<Kind extends Popup["kind"]> = Extract<Popup, { kind: Kind }>;

/** Words that pass: something was done or could not be, with at most one thing to do about it. */
export interface Notice {
  readonly id: number;
  readonly words: string;
  readonly bad: boolean;
  readonly action?: { readonly label: string; readonly run: () => void };
}

const NOTICE_MS = 6000;

export class Popups {
  open = $state.raw<Popup | undefined>();
  notices = $state.raw<readonly Notice[]>([]);
  #last = 0;
  #before: Element | null = null;

  show(popup: Popup): void {
    if (!this.open) this.#before = document.activeElement;
    this.open = popup;
  }

  close(): void {
    if (!this.open) return;
    this.open = undefined;
    if (this.#before instanceof HTMLElement && this.#before.isConnected) this.#before.focus({ preventScroll: true });
    this.#before = null;
  }

  choose(choices: Omit<PopupOf<"choices">, "kind">): void {
    this.show({ kind: "choices", ...choices });
  }

  tell(words: string, options: { readonly bad?: boolean; readonly action?: Notice["action"] } = {}): void {
    const id = (this.#last += 1);
    const notice: Notice = { id, words, bad: options.bad === true, ...(options.action && { action: options.action }) };
    this.notices = [...this.notices.filter((other) => other.words !== words), notice].slice(-4);
    setTimeout(() => this.dismiss(id), options.bad ? 2 * NOTICE_MS : NOTICE_MS);
  }

  dismiss(id: number): void {
    this.notices = this.notices.filter((notice) => notice.id !== id);
  }
}
