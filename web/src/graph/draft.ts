/** The draft that a command writes to. It copies only what is changed, and tells afterwards what that was. */
import type { NodeDefs } from "./defs";
import type { AnyRecord, Batch, Meta, NodeFields, Patch, RecordId, TableName } from "./patch";
import { forgetLinks } from "./queries";
import type {
  BoundarySlot,
  DocumentState,
  Graph,
  GraphId,
  Group,
  GroupId,
  JsonObject,
  JsonValue,
  Link,
  LinkId,
  Node,
  NodeId,
} from "./types";
import { type Fields, withFields } from "./values";

const TABLES: readonly TableName[] = ["nodes", "links", "groups"];

interface MutableGraph extends Graph {
  nodes: Map<NodeId, Node>;
  links: Map<LinkId, Link>;
  groups: Map<GroupId, Group>;
}

export class Draft {
  readonly #base: DocumentState;
  readonly #graphs: Map<GraphId, Graph>;
  #graphsChanged = false;
  /** Tables copied by this draft, with the ids written in each; null for tables of graphs that the base lacks. */
  readonly #owned = new Map<Graph[TableName], Set<RecordId> | null>();

  constructor(
    base: DocumentState,
    readonly defs: NodeDefs,
  ) {
    this.#base = base;
    this.#graphs = new Map(base.graphs);
  }

  /** The document as it stands in this draft: a new value each time, since what is known of one is remembered by it. */
  state(): DocumentState {
    return { graphs: new Map(this.#graphs) };
  }

  /** @throws RangeError if there is no such graph. */
  graph(id: GraphId): Graph {
    const graph = this.#graphs.get(id);
    if (!graph) throw new RangeError(`This document has no graph ${id}.`);
    return graph;
  }

  /** @throws RangeError if the graph has no such node. */
  node(graph: GraphId, id: NodeId): Node {
    const node = this.graph(graph).nodes.get(id);
    if (!node) throw new RangeError(`There is no node ${id} here.`);
    return node;
  }

  putNode(graph: GraphId, node: Node): void {
    this.#write(graph, "nodes").set(node.id, node);
    this.#note(graph, "nodes", node.id);
    if (typeof node.id === "number") this.#raise(graph, "node", node.id);
  }

  updateNode(graph: GraphId, id: NodeId, fields: Fields<Node>): void {
    const node = this.node(graph, id);
    const changes = (Object.keys(fields) as (keyof Node)[]).some((key) => node[key] !== fields[key]);
    if (changes) this.putNode(graph, withFields(node, fields));
  }

  /** The node alone: its links are the caller's concern (`removeNodes` cuts them). */
  dropNode(graph: GraphId, id: NodeId): void {
    if (this.#write(graph, "nodes").delete(id)) this.#note(graph, "nodes", id);
  }

  putLink(graph: GraphId, link: Link): void {
    this.#write(graph, "links").set(link.id, link);
    this.#note(graph, "links", link.id);
    this.#raise(graph, "link", link.id);
  }

  dropLink(graph: GraphId, id: LinkId): void {
    if (this.#write(graph, "links").delete(id)) this.#note(graph, "links", id);
  }

  putGroup(graph: GraphId, group: Group): void {
    this.#write(graph, "groups").set(group.id, group);
    this.#note(graph, "groups", group.id);
    this.#raise(graph, "group", group.id);
  }

  dropGroup(graph: GraphId, id: GroupId): void {
    if (this.#write(graph, "groups").delete(id)) this.#note(graph, "groups", id);
  }

  /** Draw these on top of the others, in the order given. */
  raiseNodes(graph: GraphId, ids: Iterable<NodeId>): void {
    const wanted = [...ids];
    const top = [...this.graph(graph).nodes.keys()].slice(-wanted.length);
    if (wanted.every((id, index) => top[index] === id)) return;
    const table = this.#write(graph, "nodes");
    for (const id of wanted) {
      const node = table.get(id);
      if (!node) continue;
      table.delete(id);
      table.set(id, node);
      this.#note(graph, "nodes", id);
    }
  }

  setMeta(
    graph: GraphId,
    meta: { name?: string; inputs?: readonly BoundarySlot[]; outputs?: readonly BoundarySlot[]; rest?: JsonObject },
  ): void {
    this.#graphs.set(graph, { ...this.graph(graph), ...meta });
  }

  putGraph(graph: Graph): void {
    this.#graphsChanged ||= !this.#graphs.has(graph.id);
    this.#graphs.set(graph.id, graph);
  }

  dropGraph(id: GraphId): void {
    this.#graphsChanged ||= this.#graphs.has(id);
    this.#graphs.delete(id);
  }

  /** An id that no graph of this document has ever given to a node, so that run results never meet the wrong one. */
  nextNodeId(): number {
    return 1 + Math.max(...[...this.#graphs.values()].map((graph) => graph.last.node));
  }

  nextLinkId(graph: GraphId): LinkId {
    return this.graph(graph).last.link + 1;
  }

  nextGroupId(graph: GraphId): GroupId {
    return this.graph(graph).last.group + 1;
  }

  /** What was changed since the draft was made. */
  batch(): Batch {
    const patches: Patch[] = [];
    if (this.#graphsChanged) patches.push({ kind: "graphs", before: this.#base.graphs, after: new Map(this.#graphs) });
    for (const [id, before] of this.#base.graphs) {
      const after = this.#graphs.get(id);
      if (after && after !== before) patches.push(...this.#difference(before, after));
    }
    return patches;
  }

  #difference(before: Graph, after: Graph): Patch[] {
    const patches: Patch[] = [];
    const metaBefore = metaOf(before);
    const metaAfter = metaOf(after);
    if (!sameMeta(metaBefore, metaAfter))
      patches.push({ kind: "meta", graph: after.id, before: metaBefore, after: metaAfter });
    for (const table of TABLES)
      if (after[table] !== before[table]) patches.push(...this.#tableDifference(before, after, table));
    return patches;
  }

  #tableDifference(graphBefore: Graph, graphAfter: Graph, table: TableName): Patch[] {
    const before = graphBefore[table] as ReadonlyMap<RecordId, AnyRecord>;
    const after = graphAfter[table] as ReadonlyMap<RecordId, AnyRecord>;
    const ids = this.#owned.get(graphAfter[table]) ?? new Set([...before.keys(), ...after.keys()]);
    const patches: Patch[] = [];
    let moved = false;
    for (const id of ids) {
      const old = before.get(id);
      const now = after.get(id);
      if (old !== now) patches.push(difference(graphAfter.id, table, id, old, now));
      moved ||= old !== undefined;
    }
    if (moved && !appendedOnly(before, after)) {
      patches.push({
        kind: "order",
        graph: graphAfter.id,
        table,
        before: [...before.keys()],
        after: [...after.keys()],
      });
    }
    return patches;
  }

  #write<Name extends TableName>(id: GraphId, name: Name): MutableGraph[Name] {
    const graph = this.graph(id);
    if (!this.#owned.has(graph[name])) {
      const table = new Map(graph[name] as ReadonlyMap<RecordId, AnyRecord>) as unknown as Graph[Name];
      this.#owned.set(table, graph[name] === this.#base.graphs.get(id)?.[name] ? new Set() : null);
      this.#graphs.set(id, { ...graph, [name]: table });
    }
    if (name === "links") forgetLinks(this.graph(id).links);
    return this.graph(id)[name] as MutableGraph[Name];
  }

  #note(graph: GraphId, table: TableName, id: RecordId): void {
    this.#owned.get(this.graph(graph)[table])?.add(id);
  }

  #raise(id: GraphId, counter: keyof Graph["last"], value: number): void {
    const graph = this.graph(id);
    if (value > graph.last[counter]) this.#graphs.set(id, { ...graph, last: { ...graph.last, [counter]: value } });
  }
}

function metaOf({ id, name, inputs, outputs, last, rest }: Graph): Meta {
  return { id, name, inputs, outputs, last, rest };
}

function sameMeta(a: Meta, b: Meta): boolean {
  return (
    a.name === b.name && a.inputs === b.inputs && a.outputs === b.outputs && a.last === b.last && a.rest === b.rest
  );
}

/** Whether `after` begins with the keys of `before` in their order. */
function appendedOnly(before: ReadonlyMap<RecordId, AnyRecord>, after: ReadonlyMap<RecordId, AnyRecord>): boolean {
  if (after.size < before.size) return false;
  const keys = after.keys();
  for (const key of before.keys()) if (keys.next().value !== key) return false;
  return true;
}

function difference(
  graph: GraphId,
  table: TableName,
  id: RecordId,
  before: AnyRecord | undefined,
  after: AnyRecord | undefined,
): Patch {
  if (table !== "nodes" || !before || !after) return { kind: "record", graph, table, id, before, after };
  const [old, now] = nodeDifference(before as Node, after as Node);
  return { kind: "node", graph, id, before: old, after: now };
}

function nodeDifference(before: Node, after: Node): [NodeFields, NodeFields] {
  const keys = differingKeys(before, after).filter((key) => key !== "widgets");
  const widgets = before.widgets === after.widgets ? [] : differingKeys(before.widgets, after.widgets);
  const side = (node: Node): NodeFields => ({
    fields: Object.fromEntries(keys.map((key) => [key, node[key]])) as NodeFields["fields"],
    widgets: Object.fromEntries(widgets.map((key) => [key, node.widgets[key] as JsonValue | undefined])),
  });
  return [side(before), side(after)];
}

function differingKeys<T extends object>(a: T, b: T): (keyof T & string)[] {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof T & string>;
  return [...keys].filter((key) => a[key] !== b[key]);
}
