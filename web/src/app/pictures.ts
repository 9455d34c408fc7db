/** Pictures that nodes show: which, and which seed made them. */
import type { FileRef, Folder, NodeOutput } from "../client";
import { type DocumentState, type GraphId, type JsonObject, type JsonValue, type Node, type NodeDefs, isArray, isObject, stringifyJson, valueOf, widgetsOf } from "../graph";

/** What stands for a file on a node: a picture, a player, or a solid to turn. */
export type MediaShown = "picture" | "film" | "sound" | "solid";

const FILMS = /\.(mp4|m4v|mov|webm|mkv|ogv|avi|mpe?g|ts|wmv|flv|3gp)$/i;
const SOUNDS = /\.(flac|mp3|opus|ogg|oga|wav|m4a|aac|weba|aiff?)$/i;
const SOLIDS = /\.(glb|gltf|obj|stl|ply)$/i;

/** How a file is shown, by its name. */
export function mediaOf(file: FileRef): MediaShown {
  if (FILMS.test(file.filename)) return "film";
  if (SOLIDS.test(file.filename)) return "solid";
  return SOUNDS.test(file.filename) ? "sound" : "picture";
}

/** Files that a node gave out: pictures, films, sounds and solids. */
export function picturesOf(output: NodeOutput | undefined): FileRef[] {
  const found: FileRef[] = [];
  for (const kind of ["images", "gifs", "video", "audio", "3d"]) for (const item of output?.[kind] ?? []) if (isFile(item)) found.push(asFile(item));
  // A preview of a solid names its file alone: [file, camera, background].
  const [file] = output?.result ?? [];
  if (typeof file === "string" && SOLIDS.test(file)) found.push({ ...fileAt(file), type: / \[\w+\]$/.test(file) ? fileAt(file).type : "output" });
  return found;
}

function isFile(value: JsonValue): value is JsonObject {
  return isObject(value) && typeof value.filename === "string";
}

function asFile({ filename, subfolder, type }: JsonObject): FileRef {
  return { filename: String(filename), subfolder: String(subfolder ?? ""), type: String(type ?? "output") as Folder };
}

/** What lists of uploads hold that can be shown. */
const PLAYED: ReadonlySet<string> = new Set(["image", "video", "audio"]);

/** The file that a node's list of uploads has chosen. */
export function chosenFile(defs: NodeDefs, state: DocumentState, graph: GraphId, node: Node): FileRef | undefined {
  for (const entry of widgetsOf(defs, state, graph, node)) {
    if (entry.widget.kind !== "combo" || !PLAYED.has(entry.widget.upload?.kind ?? "")) continue;
    const value = valueOf(node, entry);
    if (typeof value !== "string" || value === "") continue;
    return fileAt(value);
  }
  return undefined;
}

/** The file that a value names: "folder/name.png", with " [output]" where it is not among the inputs. */
export function fileAt(value: string): FileRef {
  const [, path = value, folder = "input"] = /^(.*?)(?: \[(input|output|temp)\])?$/.exec(value) ?? [];
  const cut = path.lastIndexOf("/");
  return { filename: path.slice(cut + 1), subfolder: cut < 0 ? "" : path.slice(0, cut), type: (folder || "input") as Folder };
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
