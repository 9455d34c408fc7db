/** One open workflow: its document, its canvas, and how its runs go. */
import { Stage } from "../canvas/stage.svelte";
import { type Extras, NO_EXTRAS } from "../canvas/node-box";
import type { Mark } from "../canvas/paint";
import { type FileRef, type NodeError, type NodeRun, type PromptId, type Run, visibleNode } from "../client";
import { type Camera, type DocumentState, EditorView, type GraphId, GraphDocument, type JsonObject, Mode, ROOT, isBoundary, pathTo, type NodeDefs, type NodeId, type Point, type ViewRecord, placeNodes, widgetsOf } from "../graph";
import { type Problem, problemHeight, problemOf } from "../nodes/problems";
import { tintOf } from "../canvas/tint";
import { type Shown, Showing } from "./showing.svelte";
import { Watch } from "./watch.svelte";
import { nameOfFile } from "./words";
import { chosenFile } from "./pictures";
import { t } from "../words";
import { titleOfNode } from "../nodes/labels";
import type { Extensions } from "./extending";
import type { Face } from "../canvas/node-box";

/** The folder of workflows among the user's files. */
export const WORKFLOWS = "workflows";

/** Where a workflow lies among the user's files, and which version was read or written. */
export interface SavedAs {
  readonly path: string;
  readonly version: string | undefined;
}

/** A canvas under so many pixels does not begin with less than this scale, but with the first nodes at the other one. */
const [NARROW, READABLE, NEAR, EDGE] = [560, 0.35, 0.7, 24];
/** So many of its last runs are found again after a reload. */
const NOTED = 100;

export class Editor {
  readonly document: GraphDocument;
  readonly view = new EditorView();
  readonly stage: Stage;
  name = $state("");
  /** Where it lies among the user's files; undefined until it is saved there. */
  path = $state<string | undefined>();
  /** Which version of that file this is, as the server names it. */
  version: string | undefined;
  dirty = $state(false);
  /** Counts changes, for what is shown beside the canvas. */
  revision = $state(0);
  run = $state.raw<Run | undefined>();
  /** What the server would not run, by node. */
  faults = $state.raw<ReadonlyMap<string, readonly NodeError[]>>(new Map());
  /** Runs that were begun here, the newest last, with what was sent. */
  readonly prompts = new Map<PromptId, JsonObject>();
  readonly showing = new Showing(this.prompts);
  readonly shown = this.showing.results;
  readonly previews = this.showing.previews;
  readonly ratios = this.showing.ratios;
  /** Work to be done before a run of it begins: a picture from the camera. */
  readonly beforeRun = new Set<() => Promise<void>>();
  /** Asks that what `about` says is kept in the browser. */
  keep: () => void = () => {};
  /** The graph on screen. */
  scope = $state<GraphId>(ROOT);
  #nodes = $state.raw<ReadonlyMap<string, NodeRun>>(new Map());
  /** What nodes of the subgraph on screen do in the run that is shown; the root's are in `#nodes`. */
  #inner = $state.raw<ReadonlyMap<string, NodeRun>>(new Map());
  /** Where the camera stood in graphs that were left. */
  readonly #cameras = new Map<GraphId, Camera>();
  #saved: DocumentState | undefined;
  /** What stands in the way of a run. */
  readonly watch = new Watch(this);
  readonly #unsubscribe: () => void;
  readonly #extensions: () => Extensions | undefined;

  constructor(
    readonly id: string,
    defs: NodeDefs,
    begin: { readonly name: string; readonly state?: DocumentState; /** One that lived before. */ readonly document?: GraphDocument; readonly file?: SavedAs | undefined; readonly clean?: boolean; /** Scripts of packs, where there are any. */ readonly extensions?: () => Extensions | undefined },
  ) {
    this.#extensions = begin.extensions ?? (() => undefined);
    this.name = begin.name;
    this.path = begin.file?.path;
    this.version = begin.file?.version;
    this.document = begin.document ?? new GraphDocument(defs, begin.state);
    this.#saved = begin.clean === false ? undefined : this.document.state;
    this.dirty = begin.clean === false;
    // Before the stage hears of it: it asks what nodes show.
    this.view.subscribe((part) => {
      if (part !== "scope") return;
      this.scope = this.view.scope;
      this.#inner = this.#byVisibleNode(this.run, this.#prefix);
    });
    this.stage = new Stage({
      document: this.document,
      view: this.view,
      extras: (node) => this.#extras(node),
      mark: (node) => this.#mark(node),
    });
    this.#unsubscribe = this.document.subscribe((change) => {
      this.revision += 1;
      this.watch.soon();
      this.dirty = this.document.state !== this.#saved;
      if (this.faults.size === 0 || change.origin === "load") return;
      const touched = [...change.graphs.values()].flatMap((graph) => [...graph.nodes]).map(String);
      if (!touched.some((id) => this.faults.has(id))) return;
      this.faults = new Map([...this.faults].filter(([id]) => !touched.includes(id)));
      this.stage.remeasure(touched.map((id) => this.nodeId(id)).filter((id) => id !== undefined));
    });
  }

  get isEmpty(): boolean {
    const { nodes, groups } = this.document.graph(ROOT);
    return nodes.size === 0 && groups.size === 0;
  }

  get file(): SavedAs | undefined {
    return this.path === undefined ? undefined : { path: this.path, version: this.version };
  }

  /** A run of it was queued. */
  began(id: PromptId, prompt: JsonObject): void {
    this.prompts.set(id, prompt);
    this.keep();
  }

  rename(name: string): void {
    this.name = name;
    this.keep();
  }

  /** That state is what the file holds; it may have been edited while it was written. */
  markSaved(file: SavedAs, state: DocumentState): void {
    this.path = file.path;
    this.version = file.version;
    this.#saved = state;
    this.dirty = this.document.state !== state;
    this.rename(nameOfFile(file.path));
  }

  /** Change it on nobody's behalf: a workflow that was as its file stays so. */
  settle(work: () => void): void {
    const clean = !this.dirty && this.#saved !== undefined;
    work();
    if (!clean) return;
    this.#saved = this.document.state;
    this.dirty = false;
  }

  /** What scripts draw over a node. */
  faceOf(id: NodeId): Face | undefined {
    return this.#extensions()?.faceOf(this, id);
  }

  /** It belongs to no file any more. */
  detach(name: string): void {
    this.path = this.version = this.#saved = undefined;
    this.dirty = true;
    this.rename(name);
  }

  /** Place the camera: where the file says, else so that all is seen. */
  look(camera: Camera | undefined): void {
    if (camera) this.view.setCamera(camera);
    else this.#lookFirst();
  }

  /** All of it; where that would be small blocks, as on a phone, its first nodes. */
  #lookFirst(): void {
    this.stage.fit();
    const bounds = this.stage.boundsOf();
    if (!bounds || this.view.camera.scale >= READABLE || this.stage.size[0] >= NARROW) return;
    this.view.setCamera({ scale: NEAR, offset: [EDGE / NEAR - bounds[0], EDGE / NEAR - bounds[1]] });
  }

  /** Go into a subgraph or out of it: where one stood when one was there last, else so that all is seen. */
  go(scope: GraphId): void {
    if (scope === this.view.scope || !this.document.state.graphs.has(scope)) return;
    this.#cameras.set(this.view.scope, this.view.camera);
    this.view.enter(scope);
    this.look(this.#cameras.get(scope));
  }

  /** Where the camera stood in graphs that were left. */
  get cameras(): ReadonlyMap<GraphId, Camera> {
    return this.#cameras;
  }

  /** What was looked at and chosen before the page was loaded again. */
  lookAgain({ scope, camera, cameras, nodes, groups }: ViewRecord): void {
    for (const [graph, place] of cameras) this.#cameras.set(graph, place);
    this.view.enter(scope);
    this.view.setCamera(camera);
    this.view.select(nodes, groups);
  }

  /** Where the camera stands, or stood, in the root: what files hold. */
  get rootCamera(): Camera | undefined {
    return this.#atRoot ? this.view.camera : this.#cameras.get(ROOT);
  }

  /** Into a node that is a subgraph. @returns false if it is none. */
  goInto(id: NodeId): boolean {
    const type = this.stage.graph.nodes.get(id)?.type ?? ROOT;
    if (type === ROOT || !this.document.state.graphs.has(type)) return false;
    this.go(type);
    return true;
  }

  /** Subgraphs from the root's to the one on screen, by name. */
  get trail(): readonly { readonly graph: GraphId; readonly name: string }[] {
    const { graphs } = this.document.state;
    return (pathTo(graphs, ROOT, this.scope) ?? []).map(({ graph }) => ({ graph, name: graphs.get(graph)?.name || t("shell.subgraph") }));
  }

  /** How the server's ids of nodes on screen begin: the instances on the way, each with a colon. */
  get #prefix(): string {
    return (pathTo(this.document.state.graphs, ROOT, this.view.scope) ?? []).map(({ instance }) => `${instance}:`).join("");
  }

  end(): void {
    this.#unsubscribe();
    this.watch.end();
    this.stage.end();
    this.showing.end();
  }

  /** A node's part in the run that is shown. */
  statusOf(id: NodeId): NodeRun | undefined {
    return (this.scope === ROOT ? this.#nodes : this.#inner).get(String(id));
  }

  /** A node of the root's part in it, whatever is on screen. */
  rootStatusOf(id: NodeId): NodeRun | undefined {
    return this.#nodes.get(String(id));
  }

  problemsOf(id: NodeId): readonly Problem[] {
    const node = this.stage.graph.nodes.get(id);
    if (!node || isBoundary(id)) return [];
    const known = this.document.def(node.type) !== undefined;
    return problemOf(node.type, known, this.#atRoot ? this.faults.get(String(id)) : undefined, this.statusOf(id)?.error);
  }

  /** Files that the node shows: its results, or the picture that it loads. */
  filesOf(id: NodeId): readonly FileRef[] {
    const shown = this.shownOf(id);
    if (shown) return shown.files;
    const node = this.stage.graph.nodes.get(id);
    const file = node && chosenFile(this.document.defs, this.document.state, this.view.scope, node);
    return file ? [file] : [];
  }

  /** Show other files on a node of the root, unless it shows what it has chosen itself. */
  showFiles(id: NodeId, files: readonly FileRef[]): void {
    const node = this.document.graph(ROOT).nodes.get(id);
    if (!node || chosenFile(this.document.defs, this.document.state, ROOT, node)) return;
    this.showing.put(String(id), files);
    if (this.#atRoot) this.stage.remeasure([id]);
  }

  /** Results and previews are kept of nodes of the root alone: ids inside of subgraphs are others'. */
  shownOf(id: NodeId): Shown | undefined {
    return this.#atRoot ? this.shown.get(String(id)) : undefined;
  }

  previewOf(id: NodeId): string | undefined {
    return this.#atRoot ? this.previews.get(String(id)) : undefined;
  }

  get #atRoot(): boolean {
    return this.scope === ROOT;
  }

  /** What is known of runs has changed. */
  follow(run: Run | undefined): void {
    if (run === this.run) return;
    const before = this.#nodes;
    this.run = run;
    this.#nodes = this.#byVisibleNode(run);
    if (!this.#atRoot) this.#inner = this.#byVisibleNode(run, this.#prefix);
    const changed: NodeId[] = [];
    for (const key of new Set([...before.keys(), ...this.#nodes.keys()])) {
      const [old, now] = [before.get(key), this.#nodes.get(key)];
      if (old === now) continue;
      const redrawn = this.showing.take(key, run, old, now);
      const id = this.#atRoot ? this.nodeId(key) : undefined;
      if (id !== undefined && (redrawn || old?.error !== now?.error)) changed.push(id);
    }
    if (changed.length > 0) this.stage.remeasure(changed);
    this.stage.redraw();
    if (run?.phase === "failed" || this.watch.found.said.length > 0) this.watch.soon();
  }

  refuse(faults: ReadonlyMap<string, readonly NodeError[]>): void {
    const touched = [...this.faults.keys(), ...faults.keys()];
    this.faults = new Map([...faults].map(([id, errors]) => [visibleNode(id), errors]));
    this.stage.remeasure(touched.map((id) => this.nodeId(visibleNode(id))).filter((id) => id !== undefined));
    this.watch.look();
  }

  setRatio(id: NodeId, ratio: number): void {
    if (this.ratios.get(String(id)) === ratio) return;
    this.ratios.set(String(id), ratio);
    this.stage.remeasure([id]);
  }

  /** Carry what is chosen a little; steps that follow each other are undone as one. */
  nudge([dx, dy]: Point): void {
    const { layout } = this.stage;
    const chosen = [...this.view.selection.nodes].filter((id) => this.stage.graph.nodes.get(id)?.flags.pinned !== true);
    const places = chosen.flatMap((id): [NodeId, Point][] => {
      const box = layout.box(id);
      return box ? [[id, [box.x + dx, box.y + box.header + dy]]] : [];
    });
    layout.release(chosen);
    this.document.execute({ ...placeNodes(this.view.scope, places), coalesce: `nudge:${chosen.join()}` });
  }

  /** Whether files can be dropped on a node. */
  takesFiles(id: NodeId): boolean {
    const node = this.stage.graph.nodes.get(id);
    return node !== undefined && widgetsOf(this.document.defs, this.document.state, this.view.scope, node).some(({ widget }) => widget.kind === "combo" && widget.upload !== undefined);
  }

  /** What the server calls a node on screen. */
  executionId(id: NodeId): string {
    return `${this.#prefix}${id}`;
  }

  /** Ids come back from the server as texts. */
  nodeId(text: string): NodeId | undefined {
    const { nodes } = this.stage.graph;
    if (nodes.has(text)) return text;
    const number = Number(text);
    return nodes.has(number) ? number : undefined;
  }

  /** Facts to keep beside the document. */
  about(): JsonObject {
    const runs = [...this.prompts.keys()].slice(-NOTED);
    return { name: this.name, dirty: this.dirty, ...(this.path !== undefined && { path: this.path }), ...(this.version !== undefined && { version: this.version }), runs };
  }

  #byVisibleNode(run: Run | undefined, prefix = ""): ReadonlyMap<string, NodeRun> {
    const found = new Map<string, NodeRun>();
    const rank = { error: 6, running: 5, stopped: 4, waiting: 3, off: 2, done: 1, cached: 0 };
    for (const [id, node] of run?.nodes ?? []) {
      if (!id.startsWith(prefix)) continue;
      const key = visibleNode(id.slice(prefix.length));
      const other = found.get(key);
      if (!other || rank[node.state] > rank[other.state]) found.set(key, node);
      else if (node.state === "done" && other.state === "done") found.set(key, { ...other, ms: (other.ms ?? 0) + (node.ms ?? 0) });
    }
    return found;
  }

  #extras(id: NodeId): Extras {
    const key = String(id);
    const node = this.stage?.graph.nodes.get(id) ?? this.document.graph(this.view.scope).nodes.get(id);
    if (!node || isBoundary(id)) return NO_EXTRAS;
    const known = this.document.def(node.type) !== undefined;
    const problems = problemOf(node.type, known, this.#atRoot ? this.faults.get(key) : undefined, this.statusOf(id)?.error);
    const chosen = this.shownOf(id) ? undefined : chosenFile(this.document.defs, this.document.state, this.view.scope, node);
    const files = this.shownOf(id)?.files.length ?? (chosen ? 1 : 0);
    const pictures = Math.max(files, this.previewOf(id) === undefined ? 0 : 1);
    const fields = this.#extensions()?.fieldsOf(this, id);
    return { pictures, ratio: this.ratios.get(key) ?? 1, error: problemHeight(problems, node.size[0]), ...(fields && { fields }) };
  }

  #mark(id: NodeId): Mark {
    const node = this.stage.graph.nodes.get(id);
    const status = this.statusOf(id);
    const off = node?.mode === Mode.Never || node?.mode === Mode.Bypass;
    const wrong = (this.#atRoot && this.faults.has(String(id))) || status?.error !== undefined || (node && !isBoundary(id) && this.document.def(node.type) === undefined);
    return {
      title: titleOfNode(node, this.document.def(node?.type ?? "")),
      colour: tintOf(node?.bgcolor) ?? tintOf(node?.color),
      state: wrong ? "error" : status?.state === "running" ? "running" : off ? "off" : "plain",
    };
  }
}
