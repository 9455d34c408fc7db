/** Views of one open workflow, kept in line with its document in both directions. */
import type { Editor } from "../../app/editor.svelte";
import type { FileRef } from "../../client";
import { type Change, type Graph, type GraphDocument, type Node, type NodeId, ROOT, serialize } from "../../graph";
import { portAt } from "../../canvas/layout";
import { writeNode } from "../../graph/workflow/serialize";
import type { Guard } from "../guard";
import { type Keeper, LGraph } from "../litegraph/graph";
import { LGraphNode } from "../litegraph/node";
import type { Loose, Open } from "../loose";
import { difference, hasForeign, linkIds } from "./give";
import { NodePictures } from "./pictures";
import { isEmpty, reflect } from "./reflect";
import { take } from "./take";
import { infoOf, linkFor, takeInputs, takeOutputs } from "./values";

/** What a binding needs of the face around it. */
export interface Surroundings {
  readonly guard: Guard;
  readonly lite: Open;
  readonly root: LGraph;
  readonly canvas: () => Loose;
  /** Told when a load begins and ends, and of each node once it is whole. */
  readonly loading: (on: boolean) => void;
  readonly loaded: (node: Open) => void;
  readonly openFile: (data: Open) => void;
  /** What a node looks like may have changed. */
  readonly redraw: (node: Open | undefined) => void;
  /** These may have other rows now. */
  readonly shaped: (nodes: readonly Open[]) => void;
  readonly viewUrl: (file: FileRef) => string;
  readonly unsupported: (name: string) => void;
}

/** Milliseconds after a press or a key in which what scripts write is the person's own step. */
const PERSONS_MS = 800;
const SWEEP_MS = 1000;

export class Binding implements Keeper {
  readonly document: GraphDocument;
  readonly guard: Guard;
  readonly views = new Map<string, LGraph>();
  readonly pictures: NodePictures;
  lastEvent: Event | undefined;
  readonly #touched = new Map<LGraph, Set<Loose>>();
  readonly #shadows = new Map<string, ReadonlyMap<NodeId, Node>>();
  readonly #ends: (() => void)[] = [];
  #due = false;
  /** Scripts only answer to a change: what they write belongs to it. */
  #answering = 0;
  #giving = false;
  #lastPress = -Infinity;

  constructor(
    readonly around: Surroundings,
    readonly editor: Editor,
  ) {
    this.document = editor.document;
    this.pictures = new NodePictures(editor, around.viewUrl, around.unsupported);
    this.guard = around.guard;
  }

  /** Make views of all there is, as a file that is opened. */
  open(): void {
    const { state } = this.document;
    for (const graph of state.graphs.values()) this.#view(graph);
    this.around.root.extra = structuredClone((state.graphs.get(ROOT)?.rest.extra ?? {}) as Open);
    this.#ends.push(this.document.subscribe((change) => this.#follow(change)));
    const note = (event: Event): void => {
      this.lastEvent = event;
      this.#lastPress = performance.now();
    };
    for (const name of ["pointerdown", "pointerup", "keydown", "drop", "input"] as const) {
      addEventListener(name, note, true);
      this.#ends.push(() => removeEventListener(name, note, true));
    }
    const timer = setInterval(() => this.sweep(), SWEEP_MS);
    this.#ends.push(() => clearInterval(timer));
    this.#loadAll([...state.graphs.values()]);
  }

  close(): void {
    this.flush();
    for (const end of this.#ends) end();
    this.#giving = true; // what goes now stays in the document
    for (const view of this.views.values()) {
      for (const node of [...view._nodes]) this.guard.call(node, "onRemoved");
      for (const node of view._nodes) for (const widget of node._widgets ?? []) this.guard.call(widget, "onRemove");
      view._nodes.length = 0;
      view._nodes_by_id = {};
      view._groups.length = 0;
      view.links.clear();
      view.keeper = undefined;
    }
    this.around.root.subgraphs.clear();
    this.views.clear();
  }

  shadow(graph: string, id: NodeId): Node | undefined {
    return this.#shadows.get(graph)?.get(id);
  }

  /** The view of a node by what the server calls it: the instances around it, each with a colon. */
  locate(id: string): Loose {
    let view: LGraph | undefined = this.around.root;
    const path = id.split(":");
    for (const [index, part] of path.entries()) {
      const node: Loose = view?.getNodeById(part);
      if (!node || index === path.length - 1) return node ?? null;
      view = this.views.get(String(node.type));
    }
    return null;
  }

  /** All nodes of all graphs. */
  *all(): Generator<Open> {
    for (const view of this.views.values()) yield* view._nodes as Open[];
  }

  // What happens to the document

  #follow(change: Change): void {
    if (this.#giving) return this.#remember(change.graphs.keys());
    this.#answering += 1;
    try {
      if (change.origin === "load") return this.#reload();
      const { graphs } = this.document.state;
      for (const id of [...this.views.keys()]) if (!graphs.has(id)) this.#forget(id);
      const fresh = [...graphs.values()].filter(({ id }) => !this.views.has(id));
      for (const graph of fresh) this.#view(graph);
      const born: [LGraph, Graph, Open][] = [];
      for (const [id, touched] of change.graphs) {
        const [graph, view] = [graphs.get(id), this.views.get(id)];
        if (!graph || !view || fresh.includes(graph)) continue;
        for (const node of take(this, view, graph, touched, change.origin)) born.push([view, graph, node]);
      }
      if (fresh.length > 0) this.#loadAll(fresh);
      const isNew = change.label === "Add node" && change.origin === "do";
      for (const [view, graph, node] of born) this.#configure(view, graph, node, !isNew);
      this.#remember(change.graphs.keys());
    } finally {
      this.#answering -= 1;
    }
    this.#soon();
  }

  #reload(): void {
    for (const id of [...this.views.keys()]) this.#forget(id);
    const graphs = [...this.document.state.graphs.values()];
    for (const graph of graphs) this.#view(graph);
    this.#loadAll(graphs);
  }

  #view(graph: Graph): LGraph {
    const root = graph.id === ROOT;
    const view = root ? this.around.root : new LGraph();
    view.id = graph.id;
    view.keeper = this;
    if (!root) {
      view.parent = this.around.root;
      view.name = graph.name;
      Object.assign(view, { inputs: graph.inputs.map((slot) => ({ ...slot, linkIds: [] })), outputs: graph.outputs.map((slot) => ({ ...slot, linkIds: [] })), inputNode: { id: -10 }, outputNode: { id: -20 } });
      this.around.root.subgraphs.set(graph.id, view);
    }
    view.last_link_id = graph.last.link;
    view.last_node_id = graph.last.node;
    this.views.set(graph.id, view);
    return view;
  }

  #forget(id: string): void {
    const view = this.views.get(id);
    for (const node of [...(view?._nodes ?? [])]) this.guard.call(node, "onRemoved");
    if (view) {
      view._nodes.length = 0;
      view._nodes_by_id = {};
      view._groups.length = 0;
      view.links.clear();
    }
    this.views.delete(id);
    this.#shadows.delete(id);
    this.around.root.subgraphs.delete(id);
  }

  /** In the field's order: all nodes made and added, then each configured, then all told. */
  #loadAll(graphs: readonly Graph[]): void {
    this.#answering += 1;
    this.around.loading(true);
    const made: [LGraph, Graph, Open][] = [];
    try {
      for (const graph of graphs) {
        const view = this.views.get(graph.id);
        if (!view) continue;
        for (const link of graph.links.values()) view.links.set(link.id, linkFor(graph, link));
        for (const node of graph.nodes.values()) made.push([view, graph, this.make(view, graph, node)]);
        take(this, view, graph, { nodes: new Set(), links: new Set(), groups: new Set(graph.groups.keys()), order: false, meta: false }, "load");
      }
      for (const [view, graph, node] of made) this.#configure(view, graph, node, true);
      for (const [, , node] of made) this.guard.call(node, "onGraphConfigured");
      for (const view of this.views.values()) this.guard.call(view, "onConfigure", {});
      for (const [, , node] of made) this.guard.call(node, "onAfterGraphConfigured");
    } finally {
      this.around.loading(false);
      this.#answering -= 1;
    }
    this.#remember(graphs.map(({ id }) => id));
    for (const [, , node] of made) this.around.loaded(node);
    this.#soon();
  }

  #remember(graphs: Iterable<string>): void {
    for (const id of graphs) {
      const graph = this.document.state.graphs.get(id);
      if (graph) this.#shadows.set(id, graph.nodes);
    }
  }

  /** A view of a node, added to its graph; slots and values come with `#configure`. */
  make(view: LGraph, graph: Graph, doc: Node): Open {
    const node: Loose = this.create(doc.type) ?? this.#unknown(doc);
    node.id = doc.id;
    node.type = doc.type;
    node._pos = [...doc.pos];
    node._size = [...doc.size];
    const inner = this.document.state.graphs.has(doc.type) ? this.views.get(doc.type) : undefined;
    if (inner) {
      node.subgraph = inner;
      takeInputs(node, graph.nodes.get(doc.id)?.inputs ?? []);
    }
    view.add(node);
    return node;
  }

  #unknown(doc: Node): Open {
    const node = new LGraphNode(doc.title ?? this.document.def(doc.type)?.displayName ?? doc.type, doc.type);
    node._unknown = true;
    return node;
  }

  /** @param told whether the document says how it is; a node that was just added is as its class makes it. */
  #configure(view: LGraph, graph: Graph, node: Open, told: boolean): void {
    const doc = graph.nodes.get(node.id);
    if (!doc) return;
    const known = this.document.def(doc.type);
    if (!told && known?.virtual !== true) {
      takeInputs(node, doc.inputs.length >= node._inputs.length ? mergeExtra(doc, node) : doc.inputs);
      takeOutputs(node, doc.outputs, (slot) => linkIds(graph, doc.id, slot));
    }
    if (told) {
      const values = doc.widgetSource?.raw ?? (serializedValues(this, graph, doc) as Loose);
      this.guard.run(() => node.configure(infoOf(graph, doc, values, (slot) => linkIds(graph, doc.id, slot))), "configure", node);
    }
    this.touched(view, node);
  }

  // What scripts do

  touched(view: LGraph, what: Loose): void {
    if (this.#giving || view.keeper !== this) return;
    const set = this.#touched.get(view) ?? new Set();
    this.#touched.set(view, set);
    set.add(what);
    this.#soon();
  }

  #soon(): void {
    if (this.#due) return;
    this.#due = true;
    const answering = this.#answering > 0;
    queueMicrotask(() => {
      this.#due = false;
      this.flush(answering);
    });
  }

  /** Nobody tells when widgets of packs' own classes are written: look. */
  sweep(): void {
    for (const view of this.views.values()) for (const node of view._nodes) if (hasForeign(node)) this.touched(view, node);
  }

  /** Write what scripts have changed into the document. */
  flush(answering = false): void {
    if (this.#giving || this.#touched.size === 0 || this.#answering > 0) return;
    const touched = [...this.#touched];
    this.#touched.clear();
    this.#giving = true;
    try {
      const written = touched.filter(([view]) => this.document.state.graphs.has(view.id)).map(([view, what]) => difference(this, view, what)).filter((each) => !isEmpty(each));
      if (written.length === 0) return this.#shaped(touched);
      const ids = written.flatMap(({ nodes }) => [...nodes.keys()]);
      const command = reflect(written, "Extension", `extension:${ids.join()}`);
      const persons = !answering && performance.now() - this.#lastPress < PERSONS_MS;
      if (persons) this.document.execute(command);
      else this.editor.settle(() => void this.document.executeQuietly(command));
      this.#shaped(touched);
    } catch (error) {
      this.guard.reports.failed("(views)", "writing to the document", error);
    } finally {
      this.#giving = false;
    }
  }

  #shaped(touched: readonly (readonly [LGraph, ReadonlySet<Loose>])[]): void {
    this.around.shaped(touched.flatMap(([, what]) => [...what].filter((each) => each._inputs)));
  }

  // What graphs ask

  nextNode(): number {
    const last = [...this.document.state.graphs.values()].map((graph) => graph.last.node);
    const seen = [...this.views.values()].map((view) => Number(view.last_node_id) || 0);
    return Math.max(0, ...last, ...seen) + 1;
  }
  nextLink(view: LGraph): number {
    return Math.max(view.last_link_id, this.document.state.graphs.get(view.id)?.last.link ?? 0) + 1;
  }
  nextGroup(view: LGraph): number {
    return Math.max(this.document.state.graphs.get(view.id)?.last.group ?? 0, ...view._groups.map(({ id }) => id)) + 1;
  }
  placeOf(node: Open, isInput: boolean, index: number): readonly [number, number] | undefined {
    const { stage, view } = this.editor;
    const box = node.graph?.id === view.scope ? stage.layout.box(node.id) : undefined;
    const port = isInput ? box?.inputs[index] : box?.outputs[index];
    return box && port && portAt(box, port);
  }
  canvas(): Loose {
    return this.around.canvas();
  }
  create(type: string): Loose {
    return this.guard.run(() => this.around.lite.createNode(type), `making a node of type ${type}`) ?? null;
  }
  fits(a: Loose, b: Loose): boolean {
    return this.around.lite.isValidConnection(a, b) !== false;
  }
  redraw(node?: Loose): void {
    this.around.redraw(node);
  }
  serialize(view: LGraph): Open {
    this.flush();
    const file = serialize(this.document.state, this.document.defs, this.editor.rootCamera) as Open;
    return structuredClone(view.id === ROOT ? file : (file.definitions?.subgraphs?.find((each: Open) => each.id === view.id) ?? file));
  }
  configure(view: LGraph, data: Open): void {
    if (view.id === ROOT) this.around.openFile(data);
  }
  call(owner: Open, name: string, ...args: Loose[]): Loose {
    return this.guard.call(owner, name, ...args);
  }
}

/** Slots of the document, and those that a pack has added while the node was made. */
function mergeExtra(doc: Node, node: Open): Node["inputs"] {
  const known = new Set(doc.inputs.map(({ name }) => name));
  const added = (node._inputs as Open[]).filter((slot) => !known.has(slot.name));
  return [...doc.inputs, ...added.map((slot) => ({ name: String(slot.name), type: String(slot.type), link: null, rest: {} }))];
}

function serializedValues({ document }: Binding, graph: Graph, doc: Node): Loose {
  return (writeNode(graph, doc, 0, document.state, document.defs) as Open).widgets_values;
}
