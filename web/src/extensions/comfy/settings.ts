/** Settings that packs register: kept by the server, shown in a sheet. */
import type { Guard } from "../guard";
import type { Loose, Open } from "../loose";
import type { ComfyApi } from "./api";

export class ComfySettings extends EventTarget {
  [key: string]: Loose;
  readonly settingsLookup: Record<string, Open> = {};
  settingsValues: Open = {};
  element: HTMLElement = document.createElement("div");

  constructor(
    readonly _api: ComfyApi,
    readonly _guard: Guard,
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
    if (typeof params.onChange === "function") this._guard.run(() => params.onChange(this.getSettingValue(id), undefined), `setting ${id}`, params);
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
    await this._api.storeSetting(id, value);
  }
  get settingsParamLookup(): Record<string, Open> {
    return this.settingsLookup;
  }
  show(): void {}
}
