/** How a person likes it: kept in the browser. */
import { speakChosen } from "../words/page.svelte";
import type { Snapping, Threads } from "../canvas/stage.svelte";
import { type OwnColours, ROLES, readColours } from "../theme/palettes";

export type Drawer = "nodes" | "models" | "pictures" | "workflows" | "packs";
export type Theme = "dark" | "light";

const KEY = "weft.preferences";

interface Kept {
  readonly theme: Theme;
  readonly side: boolean;
  readonly minimap: boolean;
  readonly recentNodes: readonly string[];
  readonly threads: Threads;
  readonly snap: Snapping;
  readonly keys: Readonly<Record<string, string>>;
  readonly language?: string | undefined;
  readonly colours?: OwnColours | undefined;
}

const MOST_RECENT = 12;
/** Pixels at which panels lie over the canvas, as the style sheets have it. */
const NARROW = 900;

export class Preferences {
  theme = $state<Theme>("dark");
  /** The panel at the right: what runs, what waits, pictures. */
  side = $state(true);
  minimap = $state(true);
  /** The panel at the left. */
  drawer = $state<Drawer | undefined>();
  /** Types of nodes that were placed lately, the newest first. */
  recentNodes = $state.raw<readonly string[]>([]);
  /** Which threads are drawn. */
  threads = $state<Threads>("all");
  /** What carried nodes stick to. */
  snap = $state<Snapping>("guides");
  /** Keys that a person chose, by action; a bar between several, empty for none. */
  keys = $state.raw<Readonly<Record<string, string>>>({});
  /** The language's code; undefined: the browser's. */
  language = $state<string | undefined>();
  /** A person's own colours, over the theme. */
  colours = $state.raw<OwnColours | undefined>();
  readonly #storage: Pick<Storage, "getItem" | "setItem">;

  constructor(storage: Pick<Storage, "getItem" | "setItem">) {
    this.#storage = storage;
    const light = matchMedia("(prefers-color-scheme: light)").matches;
    const kept = read(storage.getItem(KEY));
    this.theme = kept.theme ?? (light ? "light" : "dark");
    this.side = (kept.side ?? true) && innerWidth > NARROW; // there it would lie over the canvas
    this.minimap = kept.minimap ?? true;
    this.recentNodes = Array.isArray(kept.recentNodes) ? kept.recentNodes.map(String) : [];
    this.threads = kept.threads === "chosen" ? "chosen" : "all";
    this.snap = kept.snap === "grid" || kept.snap === "none" ? kept.snap : "guides";
    this.keys = typeof kept.keys === "object" ? kept.keys : {};
    this.language = typeof kept.language === "string" ? kept.language : undefined;
    try {
      this.colours = kept.colours && readColours(JSON.stringify(kept.colours));
    } catch {
      this.colours = undefined; // of another version: the theme is always there
    }
    this.#wear();
  }

  /** Wear other colours; undefined: the theme's. Those of another base bring it along. */
  setColours(colours: OwnColours | undefined): void {
    if (colours && colours.base !== this.colours?.base) this.theme = colours.base;
    this.colours = colours && { ...colours, base: this.theme };
    this.#wear();
    this.#keep();
  }

  /** Speak another language: what is shown changes where it stands. */
  async setLanguage(code: string | undefined): Promise<void> {
    this.language = code;
    this.#keep();
    await speakChosen(code);
  }

  setThreads(threads: Threads): void {
    this.threads = threads;
    this.#keep();
  }

  setSnap(snap: Snapping): void {
    this.snap = snap;
    this.#keep();
  }

  /** Other keys for actions; undefined: those that it comes with. */
  setKeys(changes: Readonly<Record<string, string | undefined>>): void {
    this.keys = Object.fromEntries(Object.entries({ ...this.keys, ...changes }).filter((entry): entry is [string, string] => entry[1] !== undefined));
    this.#keep();
  }

  forgetKeys(): void {
    this.keys = {};
    this.#keep();
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    this.#wear();
    this.#keep();
  }

  toggleSide(): void {
    this.side = !this.side;
    this.#keep();
  }

  toggleMinimap(): void {
    this.minimap = !this.minimap;
    this.#keep();
  }

  toggleDrawer(drawer: Drawer): void {
    this.drawer = this.drawer === drawer ? undefined : drawer;
  }

  noteNode(type: string): void {
    this.recentNodes = [type, ...this.recentNodes.filter((other) => other !== type)].slice(0, MOST_RECENT);
    this.#keep();
  }

  #wear(): void {
    const { dataset, style } = document.documentElement;
    dataset.theme = this.theme;
    for (const role of ROLES) style.setProperty(`--${role}`, this.colours?.roles[role] ?? "");
  }

  #keep(): void {
    const kept: Kept = { theme: this.theme, side: this.side, minimap: this.minimap, recentNodes: this.recentNodes, threads: this.threads, snap: this.snap, keys: this.keys, language: this.language, colours: this.colours };
    this.#storage.setItem(KEY, JSON.stringify(kept));
  }
}

function read(text: string | null): Partial<Kept> {
  try {
    const kept: unknown = JSON.parse(text ?? "{}");
    return typeof kept === "object" && kept !== null ? kept : {};
  } catch {
    return {};
  }
}
