/** Pictures that nodes show: which, and which seed made them. */
import type { FileRef, Folder, NodeOutput } from "../client";
import { type DocumentState, type GraphId, type JsonObject, type JsonValue, type Node, type NodeDefs, isArray, isObject, valueOf, widgetsOf } from "../graph";

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
  const seen = new Set<string>();
  let open = [id];
  while (open.length > 0) {
    const next: string[] = [];
    for (const at of open) {
      if (seen.has(at)) continue;
      seen.add(at);
      const node = prompt[at];
      const inputs = isObject(node) && isObject(node.inputs) ? node.inputs : {};
      for (const [name, value] of Object.entries(inputs)) {
        if (/^(noise_)?seed$/.test(name) && (typeof value === "number" || typeof value === "bigint")) return String(value);
        if (isArray(value) && typeof value[0] === "string") next.push(value[0]);
      }
    }
    open = next;
  }
  return undefined;
}
