/** Our own interface for extensions, version 1: what `/weft/v1.js` exports. Its types are `web/public/weft/v1.d.ts`. */
import { setWidget, type JsonValue, type NodeId } from "../graph";
import { readColours } from "../theme/palettes";
import type { Loose, Open } from "./loose";
import { json } from "./mirror/values";
import { packNow } from "./report";
import type { Runtime } from "./runtime.svelte";

export const VERSION = 1;
const LEAST = 26;

/** A kind of widget that an extension has brought. */
export class OwnKind {
  constructor(
    readonly height: number,
    readonly grows: boolean,
    readonly mount: (host: HTMLElement, widget: Open) => Loose,
  ) {}
}

/** One of it in a node: whoever shows it hears of each new value. */
export class OwnWidget {
  readonly heard = new Set<(value: unknown) => void>();
  #value: Loose;

  constructor(
    public name: string,
    public type: string,
    public options: Open,
    readonly kind: OwnKind,
    value: Loose,
  ) {
    this.#value = value;
  }

  get value(): Loose {
    return this.#value;
  }
  set value(value: Loose) {
    this.#value = value;
    for (const listener of this.heard) listener(value);
  }
  /** The one that shows it has set it itself. */
  put(value: Loose): void {
    this.#value = value;
  }
}

export class WeftFace {
  /** Factories of widgets, by the type of input that they are for. */
  readonly widgets: Record<string, Loose> = {};
  readonly exports: Open;
  readonly #looks = new Map<string, ((host: HTMLElement, node: Open) => unknown)[]>();
  readonly #setups: (() => Loose)[] = [];
  readonly #names = new Set<string>();
  #ready = false;

  constructor(readonly runtime: Runtime) {
    const weft = this.#weft();
    this.exports = { version: VERSION, weft, register: (extension: Open) => this.register(extension, weft) };
  }

  /** @throws Error if the extension has no name, another's name, or wants another version. */
  register(extension: Open, weft: Open): void {
    const { name, version } = extension;
    if (typeof name !== "string" || name === "") throw new Error("An extension needs a name.");
    if (this.#names.has(name)) throw new Error(`There is an extension named ${name} already.`);
    if (version !== VERSION) throw new Error(`${name} wants version ${String(version)} of the interface; this is version ${VERSION}.`);
    this.#names.add(name);
    const { told, commands, guard } = this.runtime;
    const pack = packNow();
    for (const key of Object.keys(extension)) if (!KNOWN.has(key)) told.unsupported(key, pack);
    for (const [type, kind] of Object.entries((extension.widgets ?? {}) as Open)) this.#addWidget(type, kind);
    for (const [type, look] of Object.entries((extension.looks ?? {}) as Open)) this.#looks.set(type, [...(this.#looks.get(type) ?? []), look]);
    for (const { id, label, keys, run } of extension.commands ?? []) commands.set(`${name}.${id}`, { id: `${name}.${id}`, label, keys, function: () => run(weft) });
    for (const { id, title, mount } of extension.panels ?? []) this.#addPanel(`${name}.${id}`, title, mount);
    for (const theme of extension.themes ?? []) this.#addTheme(name, theme);
    const { setup } = extension;
    if (typeof setup !== "function") return;
    const work = (): Loose => guard.run(() => setup.call(extension, weft), `setup of ${name}`, extension);
    if (this.#ready) work();
    else this.#setups.push(work);
  }

  /** The graph is there: extensions may look at it. */
  async setUp(): Promise<void> {
    this.#ready = true;
    await Promise.allSettled(this.#setups.splice(0).map((work) => work()));
  }

  looksOf(node: Open): readonly ((host: HTMLElement) => unknown)[] {
    const looks = [...(this.#looks.get(String(node.type)) ?? []), ...(this.#looks.get("*") ?? [])];
    return looks.map((look) => (host) => look(host, this.#nodeOf(node)));
  }

  #addWidget(type: string, { height = LEAST, grows = false, value: preset = null, mount }: Open): void {
    const kind = new OwnKind(Number(height), grows === true, mount);
    this.widgets[type] = (node: Open, name: string, [, options = {}]: [Loose, Open]) => ({ widget: node.addCustomWidget(new OwnWidget(name, type, options, kind, options.default ?? preset)) });
  }

  #addPanel(id: string, title: string, mount: (host: HTMLElement) => Loose): void {
    let away: Loose;
    this.runtime.addPanel({ id, title, type: "custom", render: (host: HTMLElement) => (away = mount(host)), destroy: () => typeof away === "function" && away() });
  }

  #addTheme(name: string, theme: Open): void {
    const { commands, app } = this.runtime;
    const colours = readColours(JSON.stringify(theme));
    const id = `${name}.theme.${colours.name}`;
    commands.set(id, { id, label: colours.name, function: () => app.preferences.setColours(colours) });
  }

  /** A node as an extension sees it: what it is just now. */
  #nodeOf({ id, type, graph, _pos, _size, title }: Open): Open {
    const { binding } = this.runtime;
    const doc = binding?.document.state.graphs.get(graph?.id)?.nodes.get(id as NodeId);
    return { id, type: String(type), title: String(title), pos: [..._pos], size: [..._size], values: json(doc?.widgets ?? {}) };
  }

  #weft(): Open {
    const { runtime } = this;
    const { app } = runtime;
    const shown = (): Loose => runtime.binding?.views.get(app.active?.view.scope ?? "");
    return {
      version: VERSION,
      nodes: () => (shown()?._nodes ?? []).map((node: Open) => this.#nodeOf(node)),
      chosen: () => [...(app.active?.view.selection.nodes ?? [])],
      choose: (ids: readonly NodeId[]) => app.active?.view.select(ids),
      set: (id: NodeId, widget: string, value: JsonValue) => app.active?.document.execute(setWidget(app.active.view.scope, id, widget, value)),
      workflow: () => runtime.binding?.serialize(runtime.root),
      run: () => app.run(),
      tell: (words: string) => app.popups.tell(String(words)),
      fetch: (route: string, options?: RequestInit) => runtime.api.fetchApi(route, options),
      onChange: (listener: () => void) => app.active?.document.subscribe(() => void runtime.guard.run(listener, "onChange")) ?? (() => {}),
      onMessage: (type: string, listener: (data: unknown) => void) => {
        const heard = (event: Event): void => void runtime.guard.run(() => listener((event as CustomEvent).detail), `onMessage ${type}`);
        runtime.api.addEventListener(type, heard);
        return () => runtime.api.removeEventListener(type, heard);
      },
    };
  }
}

const KNOWN = new Set(["name", "version", "widgets", "looks", "commands", "panels", "themes", "setup"]);
