/** Pictures that nodes show: which, and which seed made them. */
import type { FileRef, Folder, NodeOutput } from "../client";
import { type DocumentState, type GraphId, type JsonObject, type JsonValue, type Node, type NodeDefs, isArray, isObject, stringifyJson, valueOf, widgetsOf } from "../graph";

/** Files that a node gave out: pictures, and what browsers play as one. */
export function picturesOf(output: NodeOutput | undefined): FileRef[] {
  const found: FileRef[] = [];
  for (const kind of ["images", "gifs"]) for (const item of output?.[kind] ?? []) if (isFile(item)) found.push(asFile(item));
  return found;
}

function isFile(value: JsonValue): value is JsonObject {
  return isObject(value) && typeof value.filename === "string";
}

function asFile({ filename, subfolder, type }: JsonObject): FileRef {
  return { filename: String(filename), subfolder: String(subfolder ?? ""), type: String(type ?? "output") as Folder };
}

/** The file that a node's list of uploads has chosen. */
export function chosenFile(defs: NodeDefs, state: DocumentState, graph: GraphId, node: Node): FileRef | undefined {
  for (const entry of widgetsOf(defs, state, graph, node)) {
    if (entry.widget.kind !== "combo" || entry.widget.upload?.kind !== "image") continue;
    const value = valueOf(node, entry);
    if (typeof value !== "string" || value === "") continue;
    const [, path = value, folder = "input"] = /^(.*?)(?: \[(input|output|temp)\])?$/.exec(value) ?? [];
    const cut = path.lastIndexOf("/");
    return { filename: path.slice(cut + 1), subfolder: cut < 0 ? "" : path.slice(0, cut), type: (folder || "input") as Folder };
  }
  return undefined;
}

/** The seed nearest before a node in a prompt. */
export function seedBefore(prompt: JsonObject, id: string): string | undefined {
  for (const at of upstream(prompt, id)) {
    for (const [name, value] of Object.entries(inputsOf(prompt, at))) {
      if (/^(noise_)?seed$/.test(name) && (typeof value === "number" || typeof value === "bigint")) return String(value);
    }
  }
  return undefined;
}

/** Whether two prompts say the same of a node and of all that it depends on. */
export function sameBefore(one: JsonObject, other: JsonObject, id: string): boolean {
  for (const at of upstream(one, id)) {
    const [left, right] = [one[at], other[at]];
    if (!isObject(left) || !isObject(right) || left.class_type !== right.class_type) return false;
    if (stringifyJson(inputsOf(one, at)) !== stringifyJson(inputsOf(other, at))) return false;
  }
  return true;
}

/** A node and all that it depends on, the nearest first. */
function upstream(prompt: JsonObject, id: string): ReadonlySet<string> {
  const found = new Set([id]);
  for (const at of found) {
    for (const value of Object.values(inputsOf(prompt, at))) if (isArray(value) && typeof value[0] === "string") found.add(value[0]);
  }
  return found;
}

function inputsOf(prompt: JsonObject, id: string): JsonObject {
  const node = prompt[id];
  return isObject(node) && isObject(node.inputs) ? node.inputs : {};
}
