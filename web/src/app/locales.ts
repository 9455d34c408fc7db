/** What nodes are called in the page's language: the canvas's own by the catalogue, those of packs by what packs translate. */
import type { Client } from "../client";
import { type InputDef, type JsonObject, MARKDOWN_NOTE, NOTE, type NodeDef, NodeDefs, PRIMITIVE, REROUTE, isObject, parseNodeDefs } from "../graph";
import { type PlainKey, currentLanguage, t } from "../words";

const OWN: Readonly<Record<string, readonly [PlainKey, PlainKey]>> = {
  [NOTE]: ["nodes.note", "nodes.note-about"],
  [MARKDOWN_NOTE]: ["nodes.markdown-note", "nodes.markdown-note-about"],
  [PRIMITIVE]: ["nodes.primitive", "nodes.primitive-about"],
  [REROUTE]: ["nodes.reroute", "nodes.reroute-about"],
};

export class Locales {
  #packs: JsonObject | undefined;
  #raw: JsonObject = {};
  /** From what the server says of its nodes to definitions: scripts of packs have a hand in it. */
  shape: (objectInfo: JsonObject) => NodeDefs | Promise<NodeDefs> = parseNodeDefs;
  #plain = new NodeDefs([]);

  constructor(readonly client: Client) {}

  /** The server's nodes, named in the page's language. */
  async read(): Promise<NodeDefs> {
    const [raw, packs] = await Promise.all([this.client.objectInfo(), this.#packs ?? this.#translations()]);
    this.#raw = raw;
    this.#plain = await this.shape(raw);
    this.#packs = packs;
    return this.again();
  }

  /** What the server said last. */
  get raw(): JsonObject {
    return this.#raw;
  }

  /** Other definitions of the same nodes. */
  reshape(defs: NodeDefs): NodeDefs {
    this.#plain = defs;
    return this.again();
  }

  /** The same nodes after the language has changed. */
  again(): NodeDefs {
    return localised(this.#plain, this.#packs ?? {}, currentLanguage().code);
  }

  async #translations(): Promise<JsonObject> {
    const found = await this.client.get("i18n").catch(() => ({})); // an older server: names stay as they are
    return isObject(found) ? found : {};
  }
}

/** @param packs what GET /i18n answers: `{ language: { nodeDefs: { type: { display_name, description, inputs, outputs } } } }`. */
export function localised(defs: NodeDefs, packs: JsonObject, language: string): NodeDefs {
  const told = packs[language];
  const nodes = isObject(told) && isObject(told.nodeDefs) ? told.nodeDefs : {};
  return new NodeDefs(
    [...defs.all()].map((def): NodeDef => {
      const own = OWN[def.name];
      if (own && def.virtual) return { ...def, displayName: t(own[0]), description: t(own[1]), aliases: [...new Set([...def.aliases, def.name])] };
      const words = nodes[def.name];
      return isObject(words) ? withWords(def, words) : def;
    }),
  );
}

function withWords(def: NodeDef, words: JsonObject): NodeDef {
  const displayName = text(words.display_name) ?? def.displayName;
  const outputs = def.outputs.map((output, index) => ({ ...output, tooltip: text(entry(words.outputs, String(index)).tooltip) ?? output.tooltip }));
  return {
    ...def,
    displayName,
    description: text(words.description) ?? def.description,
    inputs: def.inputs.map((input) => inWords(input, entry(words.inputs, input.name))),
    outputs,
    aliases: displayName === def.displayName ? def.aliases : [...def.aliases, def.displayName],
  };
}

/** Names of sockets are kept in files: they stay as the server has them. */
function inWords(input: InputDef, words: JsonObject): InputDef {
  return { ...input, label: (input.widget && text(words.name)) ?? input.label, tooltip: text(words.tooltip) ?? input.tooltip };
}

function entry(all: unknown, name: string): JsonObject {
  const found = isObject(all as JsonObject) ? (all as JsonObject)[name] : undefined;
  return isObject(found) ? found : {};
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
