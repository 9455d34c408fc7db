/** Packs of the server: how each fared, and loading them anew. */
import { isArray } from "../graph";
import { t } from "../words";
import { listed } from "../words/format";
import type { App } from "./app.svelte";

/** A pack as the server loaded it, or could not. */
export interface PackReport {
  readonly name: string;
  /** Where it lies: two packs may have one name. */
  readonly path?: string;
  readonly ok: boolean;
  readonly error: { readonly message: string; readonly hint: string; readonly traceback: string } | null;
  readonly nodes: readonly string[];
  /** Its code may run. */
  readonly trusted?: boolean;
  readonly seconds?: number;
  readonly version?: string;
  /** Of what it wants installed: what is not there, and what is in another version. */
  readonly missing?: readonly string[];
  readonly conflicts?: readonly string[];
  /** What it did while it was loaded, by kind. */
  readonly deeds?: Readonly<Record<string, readonly string[]>>;
  /** What a person said of it: a process of its own, the network, folders that it may write too. */
  readonly apart?: boolean;
  readonly network?: boolean;
  readonly writes?: readonly string[];
  /** What of that this system cannot enforce. */
  readonly unenforced?: readonly string[];
  /** Its files are not those that were loaded: the next run takes them. */
  readonly edited?: boolean;
}

/** What a person lets a pack do. */
export interface PackLimits {
  readonly apart: boolean;
  readonly network: boolean;
  readonly writes: readonly string[];
}

export class Packs {
  all = $state.raw<readonly PackReport[]>([]);
  #listening = false;

  constructor(readonly app: App) {}

  /** Load packs anew, with one more that is trusted or none, and take in their nodes. */
  async load(trusted?: string): Promise<void> {
    await (trusted === undefined ? this.app.client.reloadPacks() : this.app.client.trustPack(trusted));
    await this.read();
    await this.app.reread();
  }

  /** Say what a pack may do; packs are loaded anew for it. */
  async limit(name: string, limits: PackLimits): Promise<void> {
    await this.app.client.limitPack(name, limits);
    await this.read();
    await this.app.reread();
  }

  /** Hear of packs whose files are edited: their nodes and reports are read again, and the page is never left for it. */
  listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    this.app.runner.parts.events.on("other", ({ type, data }) => {
      if (type === "weft_packs") void this.#changed(data as { edited?: string[]; waiting?: string[]; scripts?: string[] });
    });
  }

  async #changed({ edited = [], waiting = [], scripts = [] }: { edited?: string[]; waiting?: string[]; scripts?: string[] }): Promise<void> {
    const before = new Map(this.all.map((pack) => [pack.name, pack.error?.message]));
    await this.#take();
    if (edited.length > waiting.length) await this.app.reread().catch((error: unknown) => this.app.fail(error));
    const done = edited.filter((name) => !waiting.includes(name));
    const wrong = this.all.filter((pack) => done.includes(pack.name) && pack.error && pack.error.message !== before.get(pack.name));
    const show = { label: t("shell.show-packs"), run: () => (this.app.preferences.drawer = "packs") };
    for (const pack of wrong) this.app.popups.tell(`${pack.name}: ${pack.error?.message ?? ""}`, { bad: true, action: show });
    const taken = listed(done.filter((name) => !wrong.some((pack) => pack.name === name)));
    if (taken) this.app.popups.tell(t("shell.packs-edited", { packs: taken }));
    if (waiting.length > 0) this.app.popups.tell(t("shell.packs-waiting", { packs: listed(waiting) }));
    if (scripts.length > 0) this.app.popups.tell(t("shell.packs-scripts", { packs: listed(scripts) }), { action: { label: t("shell.reload-page"), run: () => void this.app.flush().then(() => location.reload()) } });
  }

  async #take(): Promise<void> {
    const report = await this.app.client.get("weft/packs");
    this.all = isArray(report) ? (report as unknown as PackReport[]) : [];
  }

  async read(): Promise<void> {
    try {
      await this.#take();
      const action = { label: t("shell.show-packs"), run: () => (this.app.preferences.drawer = "packs") };
      const [fresh, broken] = [true, false].map((isNew) => listed(this.all.filter((pack) => !pack.ok && (pack.trusted === false) === isNew).map((pack) => pack.name)));
      if (fresh) this.app.popups.tell(t("shell.packs-new", { packs: fresh }), { action });
      if (broken) this.app.popups.tell(t("shell.packs-broken", { packs: broken }), { bad: true, action });
    } catch {
      this.all = []; // an older server
    }
  }
}
