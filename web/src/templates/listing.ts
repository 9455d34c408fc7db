/** Workflows to begin with: ours by what one wants, then those that packs bring. */
import type { Client } from "../client";
import { isArray, isObject } from "../graph";
import { languageCode, t } from "../words";

export interface Listed {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly picture: string;
  /** Undefined: ours. */
  readonly pack?: string;
}

export interface Group {
  readonly title: string;
  readonly templates: readonly Listed[];
}

/** @throws HttpError if the server does not tell them. */
export async function listTemplates(client: Client): Promise<readonly Group[]> {
  const [ours, packs] = await Promise.all([client.get(`../templates/index.${languageCode()}.json`), client.get("workflow_templates").catch(() => null)]);
  const groups: Group[] = [];
  for (const group of isArray(ours) ? ours : []) {
    if (!isObject(group) || !isArray(group.templates)) continue;
    const templates = group.templates.flatMap((one): Listed[] => {
      if (!isObject(one) || typeof one.name !== "string") return [];
      const picture = client.url(`../templates/${encodeURIComponent(one.name)}-1.webp`);
      return [{ name: one.name, title: String(one.title ?? one.name), description: String(one.description ?? ""), picture }];
    });
    groups.push({ title: String(group.title ?? ""), templates });
  }
  for (const [pack, names] of Object.entries(isObject(packs) ? packs : {})) {
    if (!isArray(names) || names.length === 0) continue;
    const of = (name: string, ending: string): string => `workflow_templates/${encodeURIComponent(pack)}/${encodeURIComponent(name)}${ending}`;
    groups.push({ title: t("templates.of-pack", { pack }), templates: names.map(String).map((name) => ({ name, title: name, description: "", picture: client.url(of(name, ".jpg")), pack })) });
  }
  return groups;
}

/** The workflow itself. */
export function readTemplate(client: Client, { name, pack }: Listed): ReturnType<Client["get"]> {
  return pack === undefined ? client.template(name) : client.get(`workflow_templates/${encodeURIComponent(pack)}/${encodeURIComponent(name)}.json`);
}
