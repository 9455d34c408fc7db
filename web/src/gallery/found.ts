/** Pictures that were made, as the server finds them. */
import type { Client, FileRef, Folder } from "../client";
import { type DocumentState, type JsonObject, type NodeDefs, isArray, isObject, openJson } from "../graph";

export interface Made {
  readonly job: string;
  readonly file: FileRef;
  /** Milliseconds since 1970. */
  readonly made: number;
  /** What the workflow was called. */
  readonly name: string;
  readonly prompts: readonly string[];
  readonly models: readonly string[];
  readonly seeds: readonly string[];
  /** Undefined for what is gone with the next start. */
  readonly asset: string | undefined;
  readonly favourite: boolean;
}

const FAVOURITE = "favourite";

/** @throws HttpError if the server does not tell them. */
export async function findPictures(client: Client, wanted: { readonly text: string; readonly favourites: boolean; readonly offset: number; readonly limit: number }): Promise<{ readonly pictures: readonly Made[]; readonly more: boolean }> {
  const query = new URLSearchParams({ text: wanted.text, favourites: String(wanted.favourites), offset: String(wanted.offset), limit: String(wanted.limit) });
  const told = await client.get(`weft/pictures?${query}`);
  const pictures = isObject(told) && isArray(told.pictures) ? told.pictures.filter(isObject).map(madeOf) : [];
  return { pictures, more: isObject(told) && told.has_more === true };
}

/** Of what a picture was made; undefined for one that no job made. @throws HttpError if the server does not tell. */
export async function aboutOf(client: Client, file: FileRef): Promise<Made | undefined> {
  const { pictures } = await findPictures(client, { text: file.filename, favourites: false, offset: 0, limit: 100 });
  return pictures.find((one) => one.file.filename === file.filename && one.file.subfolder === file.subfolder && one.file.type === file.type);
}

function madeOf(one: JsonObject): Made {
  const file = isObject(one.file) ? one.file : {};
  const list = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
  return {
    job: String(one.job),
    file: { filename: String(file.filename), subfolder: String(file.subfolder), type: String(file.type) as Folder },
    made: Number(one.made),
    name: String(one.name),
    prompts: list(one.prompts),
    models: list(one.models),
    seeds: list(one.seeds),
    asset: typeof one.asset === "string" ? one.asset : undefined,
    favourite: one.favourite === true,
  };
}

/** @throws HttpError if the server refuses. */
export async function setFavourite(client: Client, asset: string, favourite: boolean): Promise<void> {
  const route = `assets/${encodeURIComponent(asset)}/tags`;
  if (favourite) await client.post(route, { tags: [FAVOURITE] });
  else await client.delete(route, { tags: [FAVOURITE] });
}

/** The workflow that made it, as a document. @throws HttpError, or an error of reading it. */
export async function stateOf(client: Client, defs: NodeDefs, job: string): Promise<DocumentState> {
  const detail = await client.job(job);
  const extra = detail.workflow?.extra_data.extra_pnginfo;
  return openJson((isObject(extra) ? extra.workflow : undefined) ?? detail.workflow?.prompt ?? null, defs).state;
}
