/** What a person looks at and has chosen: not part of the document, never undone. */
import type { Camera, Change, Graph, GraphId, GroupId, NodeId } from "./types";
import { ROOT } from "./types";

export interface Selection {
  readonly nodes: ReadonlySet<NodeId>;
  readonly groups: ReadonlySet<GroupId>;
}

export type ViewPart = "camera" | "selection" | "scope";

const NOTHING: Selection = { nodes: new Set(), groups: new Set() };

export class EditorView {
  #camera: Camera = { offset: [0, 0], scale: 1 };
  #selection: Selection = NOTHING;
  #scope: GraphId = ROOT;
  readonly #listeners = new Set<(part: ViewPart) => void>();

  get camera(): Camera {
    return this.#camera;
  }

  get selection(): Selection {
    return this.#selection;
  }

  /** The graph on screen. */
  get scope(): GraphId {
    return this.#scope;
  }

  setCamera(camera: Camera): void {
    const { offset, scale } = this.#camera;
    if (offset[0] === camera.offset[0] && offset[1] === camera.offset[1] && scale === camera.scale) return;
    this.#camera = camera;
    this.#tell("camera");
  }

  /** Go into a subgraph or out of it; nothing is selected there at first. */
  enter(scope: GraphId): void {
    if (scope === this.#scope) return;
    this.#scope = scope;
    this.#tell("scope");
    this.select([]);
  }

  select(nodes: Iterable<NodeId>, groups: Iterable<GroupId> = []): void {
    const next = { nodes: new Set(nodes), groups: new Set(groups) };
    if (same(next.nodes, this.#selection.nodes) && same(next.groups, this.#selection.groups)) return;
    this.#selection = next;
    this.#tell("selection");
  }

  /** Add a node to the selection, or take it out. */
  toggle(node: NodeId): void {
    const nodes = new Set(this.#selection.nodes);
    if (!nodes.delete(node)) nodes.add(node);
    this.select(nodes, this.#selection.groups);
  }

  /** After a change: forget what is gone, and leave a subgraph that is no more. */
  follow(_change: Change, graphs: ReadonlyMap<GraphId, Graph>): void {
    const graph = graphs.get(this.#scope);
    if (!graph) return this.enter(ROOT);
    const { nodes, groups } = this.#selection;
    this.select(
      [...nodes].filter((id) => graph.nodes.has(id)),
      [...groups].filter((id) => graph.groups.has(id)),
    );
  }

  /** @returns a function that ends the subscription. */
  subscribe(listener: (part: ViewPart) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(part: ViewPart): void {
    for (const listener of this.#listeners) listener(part);
  }
}

function same<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): boolean {
  return a.size === b.size && [...a].every((item) => b.has(item));
}
