/** What the canvas asks of packs' scripts, where there are any. */
import type { ExtraField, Face } from "../canvas/node-box";
import type { JsonObject, NodeDefs, NodeId } from "../graph";
import type { Editor } from "./editor.svelte";
import type { MenuItem } from "./popups.svelte";

export type ExtendedMenu = MenuItem | "line";

/** Something that can be done, beside the canvas's own actions. */
export interface Offer {
  readonly id: string;
  readonly label: string;
  readonly keys?: string;
  readonly run: () => void;
}

/** A panel at the left. */
export interface Panel {
  readonly id: string;
  readonly title: string;
  /** @returns what takes it away again. */
  mount(host: HTMLElement): () => void;
}

export interface RunOptions {
  readonly front?: boolean;
  readonly only?: readonly NodeId[];
}

/** What became of a pack's scripts. */
export interface ScriptReport {
  readonly loaded: number;
  readonly failures: readonly string[];
  readonly unsupported: readonly string[];
}

export type SettingKind = "boolean" | "number" | "slider" | "combo" | "radio" | "text" | "color" | "image" | "own";

/** Something of a pack that a person can turn. */
export interface PackSetting {
  readonly id: string;
  readonly pack: string;
  readonly name: string;
  /** Under which heading of its pack it stands. */
  readonly section: string | undefined;
  readonly hint: string | undefined;
  readonly kind: SettingKind;
  readonly value: any;
  /** What a combo or radio offers. */
  readonly options: readonly { readonly text: string; readonly value: any }[];
  readonly range: { readonly min: number | undefined; readonly max: number | undefined; readonly step: number | undefined };
  /** Keep another value: the pack is told, then the server. */
  set(value: unknown): void;
  /** Put what the pack has made for it into `host`, where its kind is `own`. */
  mount(host: HTMLElement): void;
}

/** A prompt that scripts may still change. */
export type Built = { [key: string]: any };

export interface Extensions {
  readonly reports: Readonly<Record<string, ScriptReport>>;
  readonly panels: readonly Panel[];
  /** What a person can turn of packs, as it stands. */
  readonly packSettings: readonly PackSetting[];
  /** Buttons of packs, for the bar at the top. */
  readonly toolbar: HTMLElement;
  /** The server's nodes as packs have changed them, and packs' own. */
  defs(): NodeDefs;
  refresh(objectInfo: JsonObject): Promise<NodeDefs>;
  /** Rows of a node on screen; undefined: those of its definition. */
  fieldsOf(editor: Editor, id: NodeId): readonly ExtraField[] | undefined;
  /** What is drawn over a node on screen, and hears of its pointer. */
  faceOf(editor: Editor, id: NodeId): Face | undefined;
  menuOf(editor: Editor, id: NodeId | undefined, at: readonly [number, number]): readonly ExtendedMenu[];
  /** A part of a node that has a menu of its own, at a place of the graph: opens it. @returns whether there was one. */
  ownMenu(editor: Editor, id: NodeId | undefined, place: readonly [number, number], event: MouseEvent): boolean;
  offers(): readonly Offer[];
  /** What scripts hold for the canvas's element lies in the canvas on screen. */
  attach(host: HTMLElement): () => void;
  openFile(file: File, plain: () => Promise<void>): Promise<void>;
  run(editor: Editor, options: RunOptions, queue: (options: RunOptions) => Promise<number>): Promise<number>;
  build(): Promise<Built>;
  send(number: number, built: Built, post: (built: Built) => Promise<Built>): Promise<void>;
}
