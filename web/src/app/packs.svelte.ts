/** Packs of the server: how each fared, and loading them anew. */
import { isArray } from "../graph";
import { t } from "../words";
import { listed } from "../words/format";
import type { App } from "./app.svelte";

/** A pack as the server loaded it, or could not. */
export interface PackReport {
  readonly name: string;
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
}

export class Packs {
  all = $state.raw<readonly PackReport[]>([]);

  constructor(readonly app: App) {}

  /** Load packs anew, with one more that is trusted or none, and take in their nodes. */
  async load(trusted?: string): Promise<void> {
    await (trusted === undefined ? this.app.client.reloadPacks() : this.app.client.trustPack(trusted));
    await this.read();
    await this.app.reread();
  }

  async read(): Promise<void> {
    try {
      const report = await this.app.client.get("weft/packs");
      this.all = isArray(report) ? (report as unknown as PackReport[]) : [];
      const action = { label: t("shell.show-packs"), run: () => (this.app.preferences.drawer = "packs") };
      const [fresh, broken] = [true, false].map((isNew) => listed(this.all.filter((pack) => !pack.ok && (pack.trusted === false) === isNew).map((pack) => pack.name)));
      if (fresh) this.app.popups.tell(t("shell.packs-new", { packs: fresh }), { action });
      if (broken) this.app.popups.tell(t("shell.packs-broken", { packs: broken }), { bad: true, action });
    } catch {
      this.all = []; // an older server
    }
  }
}
