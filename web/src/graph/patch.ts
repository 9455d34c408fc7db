/** Patches: what a command changed, with what was there before, so that it can be undone and redone. */
import type {
  DocumentState,
  Graph,
  GraphId,
  Group,
  GroupId,
  JsonValue,
  Link,
  LinkId,
  Node,
  NodeId,
  Touched,
} from "./types";
import { type Fields, withFields, withWidgets } from "./values";

export interface Tables {
  nodes: ReadonlyMap<NodeId, Node>;
  links: ReadonlyMap<LinkId, Link>;
  groups: ReadonlyMap<GroupId, Group>;
}
export type TableName = keyof Tables;
export type RecordId = NodeId | LinkId | GroupId;
export type AnyRecord = Node | Link | Group;
/** A graph without its tables. */
export type Meta = Omit<Graph, TableName>;

/** Fields of a node on one side of a change; widgets only those that differ (`undefined`: was not set). */
export interface NodeFields {
  readonly fields: Fields<Omit<Node, "widgets">>;
  readonly widgets: Readonly<Record<string, JsonValue | undefined>>;
}

export interface RecordPatch {
  readonly kind: "record";
  readonly graph: GraphId;
  readonly table: TableName;
  readonly id: RecordId;
  readonly before: AnyRecord | undefined;
  readonly after: AnyRecord | undefined;
}

/** A change of some fields leaves the others free: undo does not take back what a seed control did meanwhile. */
export interface NodePatch {
  readonly kind: "node";
  readonly graph: GraphId;
  readonly id: NodeId;
  readonly before: NodeFields;
  readonly after: NodeFields;
}

interface OrderPatch {
  readonly kind: "order";
  readonly graph: GraphId;
  readonly table: TableName;
  readonly before: readonly RecordId[];
  readonly after: readonly RecordId[];
}

interface MetaPatch {
  readonly kind: "meta";
  readonly graph: GraphId;
  readonly before: Meta;
  readonly after: Meta;
}

/** The set of graphs changed: whole graphs before and after, in order. Graphs present in both are taken as they stand. */
interface GraphsPatch {
  readonly kind: "graphs";
  readonly before: DocumentState["graphs"];
  readonly after: DocumentState["graphs"];
}

export type Patch = RecordPatch | NodePatch | OrderPatch | MetaPatch | GraphsPatch;

/** The patches of one command: about different things, an order after the records it orders. */
export type Batch = readonly Patch[];

/** The batch that takes `batch` back. */
export function invert(batch: Batch): Batch {
  return batch.map((patch) => ({ ...patch, before: patch.after, after: patch.before }) as Patch);
}

export function replay(state: DocumentState, batch: Batch): DocumentState {
  let graphs = new Map(state.graphs);
  for (const patch of batch) {
    if (patch.kind !== "graphs") continue;
    graphs = new Map([...patch.after].map(([id, graph]) => [id, (patch.before.has(id) && graphs.get(id)) || graph]));
  }
  const copied = new Set<Graph[TableName]>();
  for (const patch of batch) {
    if (patch.kind === "graphs") continue;
    const graph = graphs.get(patch.graph);
    if (graph) graphs.set(patch.graph, patchGraph(graph, patch, copied));
  }
  return { graphs };
}

/** `copied` holds the tables that this batch already owns and may write to. */
function patchGraph(graph: Graph, patch: Exclude<Patch, GraphsPatch>, copied: Set<Graph[TableName]>): Graph {
  if (patch.kind === "meta") return { ...graph, ...patch.after };
  const name = patch.kind === "node" ? "nodes" : patch.table;
  const old = graph[name] as ReadonlyMap<RecordId, AnyRecord>;
  if (patch.kind === "order") {
    const ordered = new Map(patch.after.flatMap((id) => (old.has(id) ? [[id, old.get(id) as AnyRecord]] : [])));
    for (const [id, record] of old) if (!ordered.has(id)) ordered.set(id, record);
    copied.add(ordered as Graph[TableName]);
    return { ...graph, [name]: ordered };
  }
  const table = copied.has(graph[name]) ? (old as Map<RecordId, AnyRecord>) : new Map(old);
  copied.add(table as Graph[TableName]);
  if (patch.kind === "record") {
    if (patch.after) table.set(patch.id, patch.after);
    else table.delete(patch.id);
  } else {
    const node = table.get(patch.id) as Node | undefined;
    if (node) table.set(patch.id, patchNode(node, patch.after));
  }
  return { ...graph, [name]: table };
}

export function patchNode(node: Node, { fields, widgets }: NodeFields): Node {
  const changed = withFields<Node>(node, fields);
  return Object.keys(widgets).length > 0 ? { ...changed, widgets: withWidgets(node.widgets, widgets) } : changed;
}

/** What listeners are told of. */
export function touchedBy(batch: Batch): Map<GraphId, Touched> {
  const touched = new Map<GraphId, MutableTouched>();
  const of = (graph: GraphId): MutableTouched => {
    const known = touched.get(graph) ?? nothingTouched();
    touched.set(graph, known);
    return known;
  };
  for (const patch of batch) {
    if (patch.kind === "graphs")
      for (const id of new Set([...patch.before.keys(), ...patch.after.keys()])) touchAll(of(id), patch, id);
    else if (patch.kind === "meta") of(patch.graph).meta = true;
    else if (patch.kind === "order") of(patch.graph).order = true;
    else if (patch.kind === "node") of(patch.graph).nodes.add(patch.id);
    else {
      (of(patch.graph)[patch.table] as Set<RecordId>).add(patch.id);
      if (!patch.before || !patch.after) of(patch.graph).order = true;
    }
  }
  return touched;
}

interface MutableTouched extends Touched {
  nodes: Set<NodeId>;
  links: Set<LinkId>;
  groups: Set<GroupId>;
  order: boolean;
  meta: boolean;
}

function nothingTouched(): MutableTouched {
  return { nodes: new Set(), links: new Set(), groups: new Set(), order: false, meta: false };
}

function touchAll(touched: MutableTouched, patch: GraphsPatch, id: GraphId): void {
  if (patch.before.has(id) === patch.after.has(id) && patch.before.get(id) === patch.after.get(id)) return;
  touched.order = true;
  touched.meta = true;
  for (const graph of [patch.before.get(id), patch.after.get(id)]) {
    for (const node of graph?.nodes.keys() ?? []) touched.nodes.add(node);
    for (const link of graph?.links.keys() ?? []) touched.links.add(link);
    for (const group of graph?.groups.keys() ?? []) touched.groups.add(group);
  }
}
