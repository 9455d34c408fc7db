/** Weft's interface for extensions, version 1: `import { register } from "/weft/v1.js"`. */

export declare const version: 1;
export declare const weft: Weft;

/** @throws Error if the name is missing or taken, or `version` is another one. */
export declare function register(extension: Extension): void;

export interface Extension {
  /** Unique; shown where the extension is told of. */
  readonly name: string;
  /** The version of this interface that it was written for. */
  readonly version: 1;
  /** Widgets by the type of input that they are for: a node's input of that type becomes one. */
  readonly widgets?: Readonly<Record<string, WidgetKind>>;
  /** What is put over nodes, by node type; `*` for all. The host lies at the node's top left corner. */
  readonly looks?: Readonly<Record<string, (host: HTMLElement, node: NodeNow) => Away>>;
  readonly commands?: readonly Command[];
  readonly panels?: readonly Panel[];
  /** Colours as the sheet of colours writes them; each becomes a command that wears it. */
  readonly themes?: readonly Theme[];
  /** Called once the nodes are known. */
  setup?(weft: Weft): void | Promise<void>;
}

/** Takes away what was put somewhere. */
export type Away = (() => void) | void;
/** Any JSON value. */
export type Value = null | boolean | number | string | readonly Value[] | { readonly [key: string]: Value };

export interface WidgetKind {
  /** Of its row, in units of the graph; 26 if left out. */
  readonly height?: number;
  /** Takes a share of the node's free height. */
  readonly grows?: boolean;
  /** Where the input has no default. */
  readonly value?: Value;
  mount(host: HTMLElement, widget: Widget): Away;
}

export interface Widget {
  readonly name: string;
  /** The input's options, as the server tells them. */
  readonly options: Readonly<Record<string, Value>>;
  readonly value: Value;
  /** A step that undo takes back, where a person pressed something just before. */
  set(value: Value): void;
  /** Told when somebody else sets it: undo, a file, a script. @returns what ends it. */
  onChange(listener: (value: Value) => void): () => void;
}

export interface Command {
  /** Unique in the extension. */
  readonly id: string;
  readonly label: string;
  /** `Mod+Shift+K`; `Mod` is Ctrl, or Command on a Mac. A person can choose others. */
  readonly keys?: string;
  run(weft: Weft): void;
}

export interface Panel {
  readonly id: string;
  readonly title: string;
  mount(host: HTMLElement): Away;
}

export interface Theme {
  readonly weft_palette: 1;
  readonly name: string;
  readonly base: "dark" | "light";
  /** Roles as in the sheet of colours: `accent`, `canvas`, `text`, ... */
  readonly roles: Readonly<Record<string, string>>;
}

export type NodeId = number | string;

/** A node as it is just now; asking again gives what it is then. */
export interface NodeNow {
  readonly id: NodeId;
  readonly type: string;
  readonly title: string;
  readonly pos: readonly [number, number];
  readonly size: readonly [number, number];
  /** Values of its widgets that are not their defaults, or were set. */
  readonly values: Readonly<Record<string, Value>>;
}

export interface Weft {
  readonly version: 1;
  /** Nodes of the graph on screen. */
  nodes(): readonly NodeNow[];
  chosen(): readonly NodeId[];
  choose(ids: readonly NodeId[]): void;
  /** A step of undo. */
  set(node: NodeId, widget: string, value: Value): void;
  /** The workflow as a file holds it. */
  workflow(): Readonly<Record<string, Value>> | undefined;
  run(): Promise<void>;
  /** Words that pass, at the foot of the canvas. */
  tell(words: string): void;
  /** A route of the server, under `/api`. */
  fetch(route: string, options?: RequestInit): Promise<Response>;
  /** The workflow on screen changed. @returns what ends it. */
  onChange(listener: () => void): () => void;
  /** A message of the server by its type, a pack's own too. @returns what ends it. */
  onMessage(type: string, listener: (data: unknown) => void): () => void;
}
