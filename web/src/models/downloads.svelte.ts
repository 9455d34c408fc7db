/** Models that the server brings from where workflows say they are: how far each is. */
import { type Client, HttpError } from "../client";
import { isArray, isObject } from "../graph";

export interface Download {
  readonly id: string;
  readonly url: string;
  readonly folder: string;
  readonly name: string;
  readonly state: "running" | "done" | "failed" | "cancelled";
  /** Bytes that came, and all; null until the site says. */
  readonly got: number;
  readonly size: number | null;
  readonly words: string;
}

export interface Wanted {
  readonly url: string;
  readonly folder: string;
  readonly name: string;
  readonly sha256?: string;
}

const PAUSE_MS = 400;

export class Downloads {
  all = $state.raw<readonly Download[]>([]);
  /** Hosts that may be asked; undefined until it is known. */
  sites = $state.raw<readonly string[] | undefined>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param came a file is there now. */
  constructor(
    readonly client: Client,
    readonly came: (download: Download) => void,
  ) {}

  /** The last download to a place. */
  of(folder: string, name: string): Download | undefined {
    return this.all.findLast((one) => one.folder === folder && one.name === name);
  }

  /** Whether the server may be asked to bring from an address. */
  allows(url: string): boolean {
    const { host, hostname, origin, protocol } = new URL(url);
    const known = (site: string): boolean => (site.includes("://") ? site === origin : protocol === "https:" && (hostname === site || hostname.endsWith(`.${site}`)) && host === hostname);
    return this.sites?.some(known) === true;
  }

  /** How they fare. @returns false if the server cannot say. */
  async look(): Promise<boolean> {
    clearTimeout(this.#timer);
    let told;
    try {
      told = await this.client.get("weft/downloads");
    } catch (error) {
      if (error instanceof HttpError && error.status === 404) this.sites = []; // an older server
      else this.#again();
      return false;
    }
    const before = this.all;
    this.sites = isObject(told) && isArray(told.sites) ? told.sites.map(String) : [];
    this.all = isObject(told) && isArray(told.downloads) ? (told.downloads as unknown as readonly Download[]) : [];
    for (const one of this.all) if (one.state === "done" && before.find(({ id }) => id === one.id)?.state === "running") this.came(one);
    if (this.all.some(({ state }) => state === "running")) this.#again();
    return true;
  }

  /** @throws HttpError if the server does not bring it. */
  async bring(wanted: Wanted): Promise<void> {
    const begun = (await this.client.post("weft/downloads", { ...wanted })) as unknown as Download;
    this.all = [...this.all.filter(({ id }) => id !== begun.id), begun];
    this.#again();
  }

  /** @throws HttpError if the server does not know it. */
  async cancel(id: string): Promise<void> {
    await this.client.delete(`weft/downloads/${encodeURIComponent(id)}`);
    await this.look();
  }

  #again(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.look(), PAUSE_MS);
  }
}
