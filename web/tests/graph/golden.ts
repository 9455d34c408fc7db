/** The golden data (tests/data/golden/README.md), read once a file. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { type NodeDefs, parseNodeDefs } from "../../src/graph/defs";
import { parseJson } from "../../src/graph/json";
import type { JsonObject } from "../../src/graph/types";

function read(name: string): JsonObject {
  const path = new URL(`../../../tests/data/golden/${name}.json.gz`, import.meta.url);
  return parseJson(gunzipSync(readFileSync(path)).toString("utf8")) as JsonObject;
}

export const workflows = read("workflows") as Readonly<Record<string, JsonObject>>;
export const prompts = read("prompts") as Readonly<Record<string, JsonObject>>;

export const goldenDefs: NodeDefs = parseNodeDefs(read("object_info"));
