/** The values a document is made of. All are read only: a change is a new value (see draft.ts). */

/** Any JSON value. Whole numbers beyond 2^53 (seeds) are `bigint`, so that no digit is lost. */
export type JsonValue = null | boolean | number | bigint | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** A node's id, unique in its graph. Numbers for all that we make; texts occur in old and in API files. */
export type NodeId = number | string;
export type LinkId = number;
export type GroupId = number;
/** Which graph of a document: `ROOT`, or the id of a subgraph definition. */
export type GraphId = string;
export const ROOT: GraphId = "root";

/** Node ids that stand for a subgraph's own inputs and outputs at the ends of its inner links. */
export const BOUNDARY_INPUT = -10;
export const BOUNDARY_OUTPUT = -20;

/** Graph units, x to the right, y down. */
export type Point = readonly [x: number, y: number];
/** Graph units: width, height. A node's size leaves its 30 units of title out. */
export type Size = readonly [width: number, height: number];
export type Rect = readonly [x: number, y: number, width: number, height: number];

/** Whether a node runs: always, never (muted), or its inputs handed through (bypassed). */
export const Mode = { Always: 0, Never: 2, Bypass: 4 } as const;

/** One input of a node. A widget's slot names its widget: a link there overrides the widget's value. */
export interface InputSlot {
  readonly name: string;
  /** A type, or several joined by commas; `*` takes anything. */
  readonly type: string;
  readonly link: LinkId | null;
  /** Name of the widget that this slot can stand in for. */
  readonly widget?: string;
  readonly label?: string;
  /** True where only the node's definition told us of the slot: it is left out of a saved file while unlinked. */
  readonly implicit?: boolean;
  /** Keys that we do not know, kept for the file. */
  readonly rest: JsonObject;
}

export interface OutputSlot {
  readonly name: string;
  readonly type: string;
  readonly label?: string;
  /** True if the output is a list, one value an item. */
  readonly list: boolean;
  readonly rest: JsonObject;
}

/** Widget values by key (see `WidgetEntry.key` in widgets.ts); a missing key means the default. */
export type WidgetValues = Readonly<Record<string, JsonValue>>;

/** What the file said of a node's widgets, to be written again while `values` is still the node's own. */
export interface WidgetSource {
  readonly raw: JsonValue;
  readonly values: WidgetValues;
}

export interface Node {
  readonly id: NodeId;
  /** Name of its definition; the id of a subgraph definition for an instance of it. */
  readonly type: string;
  readonly pos: Point;
  readonly size: Size;
  /** 0 always, 2 muted, 4 bypassed; other numbers are kept and count as 0. */
  readonly mode: number;
  /** Title given by the user. */
  readonly title?: string;
  /** `collapsed`, `pinned` and whatever else the file has. */
  readonly flags: JsonObject;
  /** Colour of the title, of the body; CSS colours. */
  readonly color?: string;
  readonly bgcolor?: string;
  readonly inputs: readonly InputSlot[];
  readonly outputs: readonly OutputSlot[];
  readonly properties: JsonObject;
  readonly widgets: WidgetValues;
  readonly widgetSource?: WidgetSource;
  readonly rest: JsonObject;
}

/** A wire. `from.node` may be `BOUNDARY_INPUT`, `to.node` `BOUNDARY_OUTPUT` (then `to.input` is the slot's id). */
export interface Link {
  readonly id: LinkId;
  readonly from: { readonly node: NodeId; readonly slot: number };
  readonly to: { readonly node: NodeId; readonly input: string };
  readonly type: string;
  readonly rest: JsonObject;
}

/** A frame. A node belongs to it while it lies inside: nothing is stored. */
export interface Group {
  readonly id: GroupId;
  readonly title: string;
  readonly bounds: Rect;
  readonly color?: string;
  readonly rest: JsonObject;
}

/** An input or output of a subgraph definition, mirrored by name on its instances. */
export interface BoundarySlot {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly label?: string;
  readonly rest: JsonObject;
}

/** One level of nodes. Maps keep the drawing order: the last lies on top. */
export interface Graph {
  readonly id: GraphId;
  /** Name of a subgraph; empty for the root. */
  readonly name: string;
  readonly nodes: ReadonlyMap<NodeId, Node>;
  readonly links: ReadonlyMap<LinkId, Link>;
  readonly groups: ReadonlyMap<GroupId, Group>;
  /** Boundary of a subgraph; both empty for the root. */
  readonly inputs: readonly BoundarySlot[];
  readonly outputs: readonly BoundarySlot[];
  /** Highest ids ever given here, so that a deleted node's id is not given again. */
  readonly last: LastIds;
  readonly rest: JsonObject;
}

export interface LastIds {
  readonly node: number;
  readonly link: number;
  readonly group: number;
}

/** Where the camera stands: screen = (graph + offset) * scale. Never undone. */
export interface Camera {
  readonly offset: Point;
  readonly scale: number;
}

/** Everything that a file holds and undo restores. Graphs: the root and every subgraph definition, in file order. */
export interface DocumentState {
  readonly graphs: ReadonlyMap<GraphId, Graph>;
}

/** What a change touched in one graph. `meta`: name, boundary or unknown keys. `order`: drawing order or number of nodes. */
export interface Touched {
  readonly nodes: ReadonlySet<NodeId>;
  readonly links: ReadonlySet<LinkId>;
  readonly groups: ReadonlySet<GroupId>;
  readonly order: boolean;
  readonly meta: boolean;
}

export type ChangeOrigin = "do" | "undo" | "redo" | "load";

/** Told to listeners after each change; `label` names the step for people. A load touches everything. */
export interface Change {
  readonly origin: ChangeOrigin;
  readonly label: string;
  readonly graphs: ReadonlyMap<GraphId, Touched>;
}
