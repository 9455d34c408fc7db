/** Settings that packs register: kept by the server, shown in the canvas's own sheet. */
import type { PackSetting, SettingKind } from "../../app/extending";
import type { Guard } from "../guard";
import type { Loose, Open } from "../loose";
import { packNow } from "../report";
import type { ComfyApi } from "./api";

const KINDS: ReadonlySet<string> = new Set(["boolean", "number", "slider", "combo", "radio", "text", "color", "image"]);

export class ComfySettings extends EventTarget {
  [key: string]: Loose;
  readonly settingsLookup: Record<string, Open> = {};
  settingsValues: Open = {};
  element: HTMLElement = document.createElement("div");
  /** Told when a setting came or changed. */
  _changed: () => void = () => {};
  /** Whose script registered each. */
  readonly _packs = new Map<string, string>();

  constructor(
    readonly _api: ComfyApi,
    readonly _guard: Guard,
    /** Opens the sheet in which they are shown. */
    readonly _show: () => void,
  ) {
    super();
  }

  async load(): Promise<void> {
    this.settingsValues = (await this._api.getSettings().catch(() => ({}))) ?? {};
  }

  addSetting(params: Open): Open {
    const { id } = params;
    const known = this.settingsLookup[id];
    const owner = this;
    const live = { get value() { return owner.getSettingValue(id); }, set value(value: Loose) { owner.setSettingValue(id, value); } };
    if (known) return live;
    this.settingsLookup[id] = params;
    this._packs.set(id, packNow());
    if (typeof params.type !== "function" && params.type !== "hidden" && !KINDS.has(params.type)) this._guard.reports.unsupported(`a setting of type ${params.type}`);
    if (typeof params.onChange === "function") this._guard.run(() => params.onChange(this.getSettingValue(id), undefined), `setting ${id}`, params);
    this._changed();
    return live;
  }
  getSettingValue(id: string, preset?: Loose): Loose {
    const kept = this.settingsValues[id];
    if (kept !== undefined) return kept;
    const own: Loose = this.settingsLookup[id]?.defaultValue;
    return (typeof own === "function" ? own() : own) ?? preset;
  }
  getSettingDefaultValue(id: string): Loose {
    return this.settingsLookup[id]?.defaultValue;
  }
  getId(id: string): string {
    return id;
  }
  setSettingValue(id: string, value: Loose): void {
    void this.setSettingValueAsync(id, value);
  }
  async setSettingValueAsync(id: string, value: Loose): Promise<void> {
    const before = this.getSettingValue(id);
    this.settingsValues[id] = value;
    if (before === value) return;
    const { onChange } = this.settingsLookup[id] ?? {};
    if (typeof onChange === "function") this._guard.run(() => onChange(value, before), `setting ${id}`, this.settingsLookup[id]);
    this.dispatchEvent(new CustomEvent(`${id}.change`, { detail: { value, previousValue: before } }));
    this._changed();
    await this._api.storeSetting(id, value);
  }
  get settingsParamLookup(): Record<string, Open> {
    return this.settingsLookup;
  }
  show(): void {
    this._show();
  }

  /** What a person can turn, as the sheet shows it. */
  _shown(): readonly PackSetting[] {
    return Object.values(this.settingsLookup).flatMap((params) => this.#shown(params) ?? []);
  }
  #shown(params: Open): PackSetting | undefined {
    const { id, type, tooltip, category } = params;
    if (typeof type !== "function" && !KINDS.has(type)) return undefined;
    const value: Loose = this.getSettingValue(id);
    const name = String(params.name ?? id);
    const options = (): Loose => (typeof params.options === "function" ? this._guard.run(() => params.options(value), `the options of ${id}`, params) : params.options);
    return {
      id, name, value,
      pack: this._packs.get(id) ?? "",
      kind: typeof type === "function" ? "own" : (type as SettingKind),
      hint: tooltip === undefined ? undefined : String(tooltip),
      section: Array.isArray(category) && category.length > 2 ? String(category[1]) : undefined,
      /** Asked for when it is shown: packs may read them from the server first. */
      get options() { return listOf(options()).map(optionOf); },
      range: { min: numeric(params.attrs?.min), max: numeric(params.attrs?.max), step: numeric(params.attrs?.step) },
      set: (to) => this.setSettingValue(id, to),
      mount: (host) => this.#mount(params, host),
    };
  }
  /** Packs that draw a setting themselves give a row of a table, or any element. */
  #mount(params: Open, host: HTMLElement): void {
    const made: Loose = this._guard.run(() => params.type(params.name, (to: Loose) => this.setSettingValue(params.id, to), this.getSettingValue(params.id), params.attrs), `setting ${params.id}`, params);
    if (!(made instanceof HTMLElement)) return;
    const table = document.createElement("table");
    if (made instanceof HTMLTableRowElement) table.append(made);
    host.append(made instanceof HTMLTableRowElement ? table : made);
  }
}

function listOf(given: Loose): readonly Loose[] {
  return Array.isArray(given) ? given : [];
}

function optionOf(option: Loose): { readonly text: string; readonly value: Loose } {
  if (typeof option !== "object" || option === null) return { text: String(option), value: option };
  const value: Loose = option.value ?? option.text ?? option.label;
  return { text: String(option.text ?? option.label ?? value), value };
}

function numeric(value: Loose): number | undefined {
  const number = Number(value);
  return value === undefined || value === null || Number.isNaN(number) ? undefined : number;
}
