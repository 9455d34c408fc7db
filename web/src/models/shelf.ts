/** Models as the server knows them, and how they stand in a list. */
import type { Client } from "../client";
import { type JsonObject, isArray, isObject } from "../graph";
import { type PlainKey, isKey, languageCode, t } from "../words";

export interface Model {
  readonly folder: string;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly shipped: boolean;
  readonly family: string | undefined;
  /** Words that call what it learned. */
  readonly words: readonly string[];
  readonly title: string | undefined;
  readonly about: string | undefined;
  readonly sha256: string | undefined;
  /** Address of its picture; undefined if it can have none. */
  readonly picture: string | undefined;
}

export interface Shelf {
  readonly folder: string;
  readonly title: string;
  readonly models: readonly Model[];
}

/** Folders that people look into most stand first. */
const ORDER = ["checkpoints", "loras", "controlnet", "vae", "diffusion_models", "text_encoders", "upscale_models", "embeddings"];
export const DRAGGED = "application/x-weft-model";

/** @throws HttpError if the server does not tell them. */
export async function readModels(client: Client): Promise<readonly Model[]> {
  const told = await client.get("weft/models");
  return isArray(told) ? told.filter(isObject).map((one) => modelOf(client, one)) : [];
}

function modelOf(client: Client, one: JsonObject): Model {
  const [folder, name] = [String(one.folder), String(one.name)];
  const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);
  const path = name.split("/").map(encodeURIComponent).join("/");
  return {
    folder,
    name,
    size: Number(one.size),
    shipped: one.shipped === true,
    family: text(one.family),
    words: isArray(one.words) ? one.words.map(String) : [],
    title: text(one.title),
    about: text(one.about),
    sha256: text(one.sha256),
    picture: typeof one.root === "number" ? client.url(`experiment/models/preview/${encodeURIComponent(folder)}/${one.root}/${path}`) : undefined,
  };
}

/** Models by folder, those that answer letters and a family; folders without any are left out. */
export function shelvesOf(models: readonly Model[], letters: string, family: string): readonly Shelf[] {
  const parts = letters.toLowerCase().split(/\s+/).filter((part) => part !== "");
  const byFolder = new Map<string, Model[]>();
  for (const model of models) {
    if (family !== "" && (model.family ?? "?") !== family) continue;
    const told = [model.name, model.folder, model.family ?? "", model.title ?? "", ...model.words].join(" ").toLowerCase();
    if (!parts.every((part) => told.includes(part))) continue;
    byFolder.set(model.folder, [...(byFolder.get(model.folder) ?? []), model]);
  }
  const rank = (folder: string): number => (ORDER.includes(folder) ? ORDER.indexOf(folder) : ORDER.length);
  return [...byFolder].sort(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b)).map(([folder, found]) => ({ folder, title: folderTitle(folder), models: found }));
}

export function familiesOf(models: readonly Model[]): readonly string[] {
  return [...new Set(models.map(({ family }) => family ?? "?"))].sort((a, b) => a.localeCompare(b));
}

export function folderTitle(folder: string): string {
  const key = `models.folder.${folder}`;
  return isKey(key) ? t(key as PlainKey) : folder.replaceAll("_", " ");
}

/** "6.5 MB", as the language writes it. */
export function bytesOf(size: number): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const step = size < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(size) / 3));
  return new Intl.NumberFormat(languageCode(), { style: "unit", unit: units[step] ?? "byte", maximumFractionDigits: step > 1 ? 1 : 0 }).format(size / 1000 ** step);
}
