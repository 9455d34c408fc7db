/** Two people's work on one file as one document: what only one of them changed is taken, node by node and field by field. */
import { cutLink, putLink } from "./commands/wiring";
import { removeNodes } from "./commands/nodes";
import type { NodeDefs } from "./defs";
import { Draft } from "./draft";
import { inputOf, wouldLoop } from "./queries";
import type { DocumentState, Graph, GraphId, InputSlot, JsonObject, JsonValue, Link, Node, NodeId } from "./types";
import { BOUNDARY_INPUT, BOUNDARY_OUTPUT } from "./types";
import { type Fields, jsonEqual, withFields, withWidgets } from "./values";

/** Something that both changed, each in another way: mine stayed. */
export interface Clash {
  readonly graph: GraphId;
  readonly node: Node;
  /** A field, a widget's key, an input's name; `node` where one deleted what the other changed. */
  readonly part: string;
}

export interface Merged {
  readonly state: DocumentState;
  readonly clashes: readonly Clash[];
  /** How many nodes have something of theirs now, or went as theirs did. */
  readonly taken: number;
}

/** @param base what both began with. */
export function mergeStates(base: DocumentState, mine: DocumentState, theirs: DocumentState, defs: NodeDefs): Merged {
  const draft = new Draft(mine, defs);
  const clashes: Clash[] = [];
  const taken = new Set<string>();
  for (const [id, graph] of theirs.graphs) {
    const [before, own] = [base.graphs.get(id), mine.graphs.get(id)];
    if (own) new Level(draft, before ?? { ...own, nodes: new Map(), links: new Map(), groups: new Map() }, own, graph, clashes, taken).merge();
    else if (!before) draft.putGraph(graph); // a subgraph that they made
  }
  return { state: draft.state(), clashes, taken: taken.size };
}

type Plain = JsonValue | undefined;
const FIELDS = ["type", "pos", "size", "mode", "title", "flags", "color", "bgcolor"] as const;
/** Objects that are merged key by key. */
const OBJECTS = ["properties", "rest"] as const;
/** Where both moved a node, and of keys that nobody knows, nothing is said. */
const QUIET: readonly string[] = ["pos", "size", "rest"];

/** One graph of the document. */
class Level {
  /** What their nodes are called here: both may have given one number to different nodes. */
  readonly #names = new Map<NodeId, NodeId>();

  constructor(
    readonly draft: Draft,
    readonly base: Graph,
    readonly mine: Graph,
    readonly theirs: Graph,
    readonly clashes: Clash[],
    readonly taken: Set<string>,
  ) {}

  merge(): void {
    this.#meta();
    for (const node of this.theirs.nodes.values()) this.#node(node);
    this.#links();
    this.#groups();
    this.#deletions();
  }

  get #id(): GraphId {
    return this.mine.id;
  }

  #clash(node: Node, part: string): void {
    if (!QUIET.includes(part)) this.clashes.push({ graph: this.#id, node, part });
  }

  #take(id: NodeId): void {
    this.taken.add(`${this.#id} ${id}`);
  }

  #meta(): void {
    const { base, mine, theirs, draft } = this;
    for (const key of ["name", "inputs", "outputs", "rest"] as const) {
      const [before, own, other] = [base[key], mine[key], theirs[key]] as unknown as [Plain, Plain, Plain];
      if (!jsonEqual(before, other) && jsonEqual(before, own)) draft.setMeta(this.#id, { [key]: theirs[key] });
    }
  }

  #node(theirs: Node): void {
    const [before, mine] = [this.base.nodes.get(theirs.id), this.mine.nodes.get(theirs.id)];
    if (before && mine) return this.#fields(before, mine, theirs);
    if (before) {
      if (!sameNode(before, theirs)) this.#clash(theirs, "node");
      return;
    }
    if (mine && sameNode(mine, theirs)) return; // both made the same
    const id = mine || this.draft.graph(this.#id).nodes.has(theirs.id) ? this.draft.nextNodeId() : theirs.id;
    this.#names.set(theirs.id, id);
    this.draft.putNode(this.#id, { ...theirs, id, inputs: theirs.inputs.map((slot) => ({ ...slot, link: null })) });
    this.#take(id);
  }

  #fields(before: Node, mine: Node, theirs: Node): void {
    if (sameNode(before, theirs)) return;
    if (!sameNode(before, theirs, []) && !sameNode(mine, theirs, [])) this.#take(mine.id);
    const inputs = (slots: readonly InputSlot[]): InputSlot[] => slots.map((slot) => ({ ...slot, link: inputOf(mine, slot.name)?.link ?? null }));
    if (sameNode(before, mine)) return this.draft.putNode(this.#id, { ...theirs, inputs: inputs(theirs.inputs) });
    const fields: Record<string, unknown> = {};
    for (const key of FIELDS) if (this.#theirsWins(mine, key, before[key], mine[key], theirs[key])) fields[key] = theirs[key];
    if (this.#theirsWins(mine, "inputs", slotsOf(before.inputs), slotsOf(mine.inputs), slotsOf(theirs.inputs))) fields.inputs = inputs(theirs.inputs);
    if (this.#theirsWins(mine, "outputs", before.outputs as never, mine.outputs as never, theirs.outputs as never)) fields.outputs = theirs.outputs;
    for (const key of OBJECTS) fields[key] = this.#keys(mine, key, before[key], mine[key], theirs[key]);
    const widgets = this.#keys(mine, undefined, before.widgets, mine.widgets, theirs.widgets);
    this.draft.putNode(this.#id, { ...withFields(mine, fields as Fields<Node>), widgets });
  }

  /** My object with what only they changed of it. @param part what to call a clash; undefined for the key itself. */
  #keys(node: Node, part: string | undefined, before: JsonObject, mine: JsonObject, theirs: JsonObject): JsonObject {
    const changed: Record<string, Plain> = {};
    for (const key of new Set([...Object.keys(before), ...Object.keys(theirs)]))
      if (this.#theirsWins(node, part ?? key, before[key], mine[key], theirs[key])) changed[key] = theirs[key];
    return withWidgets(mine, changed);
  }

  #theirsWins(node: Node, part: string, before: Plain, mine: Plain, theirs: Plain): boolean {
    if (jsonEqual(before, theirs) || jsonEqual(mine, theirs)) return false;
    if (jsonEqual(before, mine)) return true;
    this.#clash(node, part);
    return false;
  }

  /** A link is where an input gets its value from. What they cut goes first, so that nothing is a loop only on the way. */
  #links(): void {
    const [before, mine, theirs] = [sourcesOf(this.base), sourcesOf(this.mine), sourcesOf(this.theirs)];
    const keys = [...new Set([...before.keys(), ...theirs.keys()])];
    const changed = keys.map((key) => ({ old: before.get(key), wanted: theirs.get(key) })).filter(({ old, wanted }) => !sameSource(old, wanted));
    for (const { old, wanted } of changed) if (!wanted) this.#link(old, wanted, mine);
    let left = this.#put(changed.filter(({ wanted }) => wanted), mine);
    if (left.length === 0) return;
    const cut = left.map(({ old }) => this.#cutAsTheirs(old, mine));
    left = this.#put(left, mine);
    for (const own of cut) if (own && left.some(({ old }) => old && keyOf(old.to) === keyOf(own.to))) this.#putBack(own);
    for (const { old, wanted } of left) this.#link(old, wanted, mine, true);
  }

  /** Those of the links that could not be put, whatever came before them. */
  #put(links: readonly Changed[], mine: ReadonlyMap<string, Link>): readonly Changed[] {
    const left = links.filter(({ old, wanted }) => !this.#link(old, wanted, mine));
    return left.length === 0 || left.length === links.length ? left : this.#put(left, mine);
  }

  /** Cut a link that they have put elsewhere and I left alone; gives it back. */
  #cutAsTheirs(old: Link | undefined, mine: ReadonlyMap<string, Link>): Link | undefined {
    const own = old && mine.get(keyOf(old.to));
    if (!own || !sameSource(own, old)) return undefined;
    cutLink(this.draft, this.#id, own.id);
    return own;
  }

  #putBack(own: Link): void {
    const level = this.draft.graph(this.#id);
    if (!wouldLoop(level, own.from.node, own.to.node)) putLink(this.draft, this.#id, own.from, own.to);
  }

  /** @returns whether it is settled; what is not possible is settled only the last time, as a clash. */
  #link(old: Link | undefined, wanted: Link | undefined, mine: ReadonlyMap<string, Link>, last = false): boolean {
    const given = (wanted ?? old)?.to;
    if (!given) return true;
    const to = { ...given, node: this.#names.get(given.node) ?? given.node };
    const level = this.draft.graph(this.#id);
    const target = level.nodes.get(to.node);
    if (!target && to.node !== BOUNDARY_OUTPUT) return true;
    const from = wanted && { ...wanted.from, node: this.#names.get(wanted.from.node) ?? wanted.from.node };
    const own = mine.get(keyOf(to));
    if (own?.from.node === from?.node && own?.from.slot === from?.slot) return true;
    if (!sameSource(own, old) && !this.#names.has(given.node)) {
      if (target) this.#clash(target, to.input);
      return true;
    }
    if (!from) {
      if (own) cutLink(this.draft, this.#id, own.id);
      return true;
    }
    const there = from.node === BOUNDARY_INPUT || level.nodes.has(from.node);
    const possible = there && (!target || (inputOf(target, to.input) !== undefined && !wouldLoop(level, from.node, to.node)));
    if (possible) {
      putLink(this.draft, this.#id, from, to);
      this.#take(to.node);
    } else if (last && target) this.#clash(target, to.input);
    return possible || last;
  }

  #groups(): void {
    const { base, mine, theirs, draft } = this;
    for (const id of new Set([...base.groups.keys(), ...theirs.groups.keys()])) {
      const [before, own, other] = [base.groups.get(id), mine.groups.get(id), theirs.groups.get(id)];
      const [was, is, wanted] = [before, own, other] as unknown as [Plain, Plain, Plain];
      if (jsonEqual(was, wanted) || jsonEqual(is, wanted)) continue;
      if (other && !before && own) draft.putGroup(this.#id, { ...other, id: draft.nextGroupId(this.#id) });
      else if (!jsonEqual(was, is)) continue;
      else if (other) draft.putGroup(this.#id, other);
      else draft.dropGroup(this.#id, id);
    }
  }

  /** What they deleted goes, unless I did something to it. */
  #deletions(): void {
    const before = sourcesOf(this.base);
    const news = [...sourcesOf(this.mine)].filter(([key, link]) => !sameSource(before.get(key), link));
    const wired = new Set(news.flatMap(([, { from, to }]) => [from.node, to.node]));
    for (const old of this.base.nodes.values()) {
      const mine = this.mine.nodes.get(old.id);
      if (!mine || this.theirs.nodes.has(old.id)) continue;
      if (!sameNode(old, mine) || wired.has(old.id)) this.#clash(mine, "node");
      else {
        removeNodes(this.#id, [old.id]).apply(this.draft);
        this.#take(old.id);
      }
    }
  }
}

/** A link that they changed: as both began with it, and as they want it. */
interface Changed {
  readonly old: Link | undefined;
  readonly wanted: Link | undefined;
}

function sameSource(one: Link | undefined, other: Link | undefined): boolean {
  return one?.from.node === other?.from.node && one?.from.slot === other?.from.slot;
}

/** Where the links of a graph end, each with its link. */
function sourcesOf(graph: Graph): ReadonlyMap<string, Link> {
  return new Map([...graph.links.values()].map((link) => [keyOf(link.to), link]));
}

function keyOf({ node, input }: Link["to"]): string {
  return `${typeof node} ${node} ${input}`;
}

/** Slots without their links: these are compared by where they come from. */
function slotsOf(slots: readonly InputSlot[]): JsonValue {
  return slots.map(({ name, type, widget, label, rest }) => ({ name, type, widget: widget ?? null, label: label ?? null, rest }));
}

function sameNode(a: Node, b: Node, objects: readonly (typeof OBJECTS)[number][] = OBJECTS): boolean {
  const plain = (node: Node): JsonValue => [[...FIELDS, ...objects].map((key) => (node[key] ?? null) as JsonValue), slotsOf(node.inputs), node.outputs as never, node.widgets];
  return jsonEqual(plain(a), plain(b));
}
