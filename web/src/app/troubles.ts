/** What stands in the way of a workflow: nodes and files that are not here, and what the last run said. */
import type { NodeError } from "../client";
import { type DocumentState, type GraphId, type JsonValue, Mode, type Node, type NodeDefs, type NodeId, ROOT, isArray, isObject, valueOf, widgetsOf } from "../graph";
import { problemOf } from "../nodes/problems";
import { rank } from "../popups/search";

/** A place in a workflow. */
export interface Place {
  readonly graph: GraphId;
  readonly node: NodeId;
  /** The field, if it is about one. */
  readonly field?: string;
  readonly title: string;
}

/** Nodes of one type that no pack here brings. */
export interface UnknownType {
  readonly type: string;
  /** Who brings it, as far as the file says. */
  readonly pack: string | undefined;
  readonly version: string | undefined;
  readonly places: readonly Place[];
}

/** A file, or another choice, that a list does not have. */
export interface MissingChoice {
  readonly value: string;
  readonly name: string;
  readonly places: readonly Place[];
  /** What the list has that is most like it. */
  readonly near: readonly string[];
  /** Where the workflow says that the file is to be had. */
  readonly url: string | undefined;
  readonly directory: string | undefined;
  /** What the workflow says that its content has. */
  readonly sha256: string | undefined;
}

export interface Said {
  readonly what: string;
  readonly hint: string;
  readonly place: Place;
}

export interface Troubles {
  readonly unknown: readonly UnknownType[];
  readonly missing: readonly MissingChoice[];
  readonly said: readonly Said[];
}

export const NO_TROUBLES: Troubles = { unknown: [], missing: [], said: [] };
const MOST_NEAR = 3;

export function countOf({ unknown, missing, said }: Troubles): number {
  return unknown.length + missing.length + said.length;
}

/** Nodes and choices that are not here, in all graphs of a document. What is muted or bypassed wants no files, nor what is inside of it. */
export function missingIn(state: DocumentState, defs: NodeDefs): Pick<Troubles, "unknown" | "missing"> {
  const unknown = new Map<string, UnknownType>();
  const missing = new Map<string, MissingChoice>();
  const awake = awakeIn(state);
  for (const [graph, { nodes }] of state.graphs) {
    for (const node of nodes.values()) {
      const def = defs.of(state, node.type);
      const title = node.title ?? def?.displayName ?? node.type;
      if (!def) addUnknown(unknown, node, { graph, node: node.id, title });
      else if (awake.has(graph) && isAwake(node)) addMissing(missing, state, defs, graph, node, title);
    }
  }
  return { unknown: [...unknown.values()], missing: [...missing.values()] };
}

/** Graphs that a run may go into: the root, and those of subgraphs that stand somewhere and are neither muted nor bypassed. */
function awakeIn(state: DocumentState): ReadonlySet<GraphId> {
  const found = new Set<GraphId>([ROOT]);
  for (const graph of found) {
    for (const node of state.graphs.get(graph)?.nodes.values() ?? []) if (isAwake(node) && state.graphs.has(node.type)) found.add(node.type);
  }
  return found;
}

function isAwake({ mode }: Node): boolean {
  return mode !== Mode.Never && mode !== Mode.Bypass;
}

/** What the server or a run said of nodes of the root. */
export function saidOf(state: DocumentState, defs: NodeDefs, errors: Iterable<readonly [NodeId, readonly NodeError[], NodeError | undefined]>): Said[] {
  const { nodes } = state.graphs.get(ROOT) ?? { nodes: new Map<NodeId, Node>() };
  return [...errors].flatMap(([id, faults, error]) => {
    const node = nodes.get(id);
    const def = node && defs.of(state, node.type);
    if (!node || !def) return [];
    const place = { graph: ROOT, node: id, title: node.title ?? def.displayName };
    return problemOf(node.type, true, faults, error).map(({ what, hint, input }) => ({ what, hint, place: { ...place, ...(input !== undefined && { field: input }) } }));
  });
}

function addUnknown(found: Map<string, UnknownType>, { type, properties }: Node, place: Place): void {
  const text = (key: string): string | undefined => (typeof properties[key] === "string" && properties[key] !== "" ? properties[key] : undefined);
  const known = found.get(type);
  found.set(type, {
    type,
    pack: known?.pack ?? text("aux_id") ?? text("cnr_id"),
    version: known?.version ?? text("ver"),
    places: [...(known?.places ?? []), place],
  });
}

function addMissing(found: Map<string, MissingChoice>, state: DocumentState, defs: NodeDefs, graph: GraphId, node: Node, title: string): void {
  const linked = new Set(node.inputs.flatMap((slot) => (slot.link === null || slot.widget === undefined ? [] : [slot.widget])));
  for (const entry of widgetsOf(defs, state, graph, node)) {
    if (entry.widget.kind !== "combo" || entry.widget.multiple || entry.role !== "value" || entry.input?.options.remote !== undefined || linked.has(entry.key)) continue;
    const value = valueOf(node, entry);
    if (typeof value !== "string" || value === "" || entry.widget.options.includes(value) || isElsewhere(value, entry.widget.upload !== undefined)) continue;
    const key = `${entry.name} ${value}`;
    const known = found.get(key);
    const told = toldOf(node, value);
    const place = { graph, node: node.id, field: entry.key, title };
    found.set(key, {
      value,
      name: entry.label,
      places: [...(known?.places ?? []), place],
      near: known?.near ?? nearest(value, entry.widget.options.map(String)),
      url: known?.url ?? told.url,
      directory: known?.directory ?? told.directory,
      sha256: known?.sha256 ?? told.sha256,
    });
  }
}

/** Files of other folders are not in the list, but may well be there. */
function isElsewhere(value: string, upload: boolean): boolean {
  return upload && (/ \[(input|output|temp)\]$/.test(value) || value.includes("/"));
}

/** What the node says of its models: name, page, folder and hash. */
function toldOf({ properties }: Node, value: string): Pick<MissingChoice, "url" | "directory" | "sha256"> {
  const models: readonly JsonValue[] = isArray(properties.models) ? properties.models : [];
  const name = nameOf(value);
  const model = models.find((one) => isObject(one) && typeof one.name === "string" && nameOf(one.name) === name);
  const text = (key: string): string | undefined => (isObject(model) && typeof model[key] === "string" ? model[key] : undefined);
  const url = text("url");
  const sha256 = (text("hash_type") ?? "SHA256").toUpperCase() === "SHA256" ? text("hash") : undefined;
  return { url: url !== undefined && /^https?:\/\//.test(url) ? url : undefined, directory: text("directory"), sha256: sha256 !== undefined && /^[0-9a-f]{64}$/i.test(sha256) ? sha256 : undefined };
}

function nameOf(path: string): string {
  return path.split(/[/\\]/).at(-1)?.toLowerCase() ?? path;
}

/** Options with the same name in another folder come first, then those that share most of their words. */
export function nearest(value: string, options: readonly string[]): readonly string[] {
  const words = (text: string): Set<string> => new Set(nameOf(text).replace(/\.\w+$/, "").split(/[^a-z0-9]+/).filter((word) => word.length > 1));
  const own = words(value);
  const share = (option: string): number => {
    if (nameOf(option) === nameOf(value)) return 2;
    const theirs = words(option);
    const both = [...theirs].filter((word) => own.has(word)).length;
    return both / Math.max(1, Math.max(own.size, theirs.size));
  };
  const alike = options.map((option) => ({ option, value: share(option) })).filter((one) => one.value >= 0.25).sort((a, b) => b.value - a.value);
  if (alike.length > 0) return alike.slice(0, MOST_NEAR).map(({ option }) => option);
  return rank(options, nameOf(value).replace(/\.\w+$/, "").slice(0, 5), (option) => [option]).slice(0, MOST_NEAR);
}
