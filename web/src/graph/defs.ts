/** What nodes exist: their inputs, widgets and outputs, as the server describes them (API.md section 5). */
import { parseNodeDef } from "./parse-defs";
import { subgraphDef } from "./subgraph-def";
import type { DocumentState, JsonObject, JsonValue } from "./types";
import { isObject } from "./values";
import { VIRTUAL_DEFS } from "./virtual-defs";

/** How a seed goes on after a run; the last is for combos only. */
export type ControlMode = "fixed" | "increment" | "decrement" | "randomize" | "increment-wrap";

interface WidgetBase {
  /** What the input's `display` asks for: "slider", "knob", "color"... */
  readonly display?: string;
  /** Present if a control (`fixed`, `randomize`...) follows the widget: its default. */
  readonly control?: ControlMode;
}
export interface IntWidget extends WidgetBase {
  readonly kind: "int";
  readonly default: number | bigint;
  readonly min: number | bigint;
  readonly max: number | bigint;
  readonly step: number;
}
export interface FloatWidget extends WidgetBase {
  readonly kind: "float";
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  /** Round values to multiples of this; 0 rounds nothing. */
  readonly round: number;
}
export interface BooleanWidget extends WidgetBase {
  readonly kind: "boolean";
  readonly default: boolean;
  readonly labelOn?: string;
  readonly labelOff?: string;
}
export interface StringWidget extends WidgetBase {
  readonly kind: "string";
  readonly default: string;
  readonly multiline: boolean;
  /** `{a|b}` choices are made and comments stripped when the prompt is built. */
  readonly dynamicPrompts: boolean;
  readonly placeholder?: string;
  /** Shown as rendered Markdown while not edited. */
  readonly markdown?: boolean;
}
export type UploadKind = "image" | "video" | "audio" | "mesh" | "file";
export interface ComboWidget extends WidgetBase {
  readonly kind: "combo";
  readonly default: ComboValue;
  readonly options: readonly ComboValue[];
  /** The value is a list of options. */
  readonly multiple: boolean;
  /** What may be uploaded to lengthen the list, and into which folder. */
  readonly upload?: { readonly kind: UploadKind; readonly folder: string };
  /** Route that gives the options. */
  readonly remote?: JsonObject;
}
export type ComboValue = string | number | bigint | boolean;
/** A combo whose choice decides which further inputs the node has. */
export interface DynamicComboWidget extends WidgetBase {
  readonly kind: "dynamic-combo";
  readonly default: string;
  readonly options: readonly { readonly key: string; readonly inputs: readonly InputDef[] }[];
}
export interface ColorWidget extends WidgetBase {
  readonly kind: "color";
  readonly default: string;
}
/** A kind that we draw no control for; its value is kept and sent. `type` is the input's type. */
export interface OtherWidget extends WidgetBase {
  readonly kind: "other";
  readonly type: string;
  readonly default: JsonValue;
}
export type Widget =
  IntWidget | FloatWidget | BooleanWidget | StringWidget | ComboWidget | DynamicComboWidget | ColorWidget | OtherWidget;

/** Slots `group.prefix0`, `group.prefix1`... that appear as they are needed. */
export interface Autogrow {
  readonly type: string;
  /** All slot names there can be, in order. */
  readonly names: readonly string[];
  readonly min: number;
}

export interface InputDef {
  readonly name: string;
  readonly type: string;
  readonly optional: boolean;
  /** Absent for a pure socket. */
  readonly widget?: Widget;
  /** What the widget begins with where that is not the widget's own default: the inner value of a promoted widget. */
  readonly initial?: JsonValue;
  /** False if nothing can be wired to it. */
  readonly socket: boolean;
  /** A socket by the node's wish though its type would make a widget; old files hold a dummy value for it. */
  readonly forced: boolean;
  readonly autogrow?: Autogrow;
  /** Inputs and outputs of one match share one type, that of what is wired first. */
  readonly match?: string;
  readonly label: string;
  readonly tooltip: string;
  readonly lazy: boolean;
  readonly advanced: boolean;
  readonly options: JsonObject;
}

export interface OutputDef {
  readonly name: string;
  readonly type: string;
  readonly list: boolean;
  readonly match?: string;
  readonly tooltip: string;
}

export interface NodeDef {
  readonly name: string;
  readonly displayName: string;
  readonly description: string;
  /** Path by slashes. */
  readonly category: string;
  /** Python module: "nodes", "custom_nodes.x"; "virtual" for what lives in the editor alone. */
  readonly module: string;
  readonly inputs: readonly InputDef[];
  readonly outputs: readonly OutputDef[];
  /** Runs even if nothing reads it: a save, a preview. */
  readonly isOutput: boolean;
  /** Lives in the editor alone; never sent (notes, primitives, reroutes, subgraph instances). */
  readonly virtual: boolean;
  readonly deprecated: boolean;
  readonly experimental: boolean;
  /** Calls a paid service. */
  readonly api: boolean;
  readonly aliases: readonly string[];
}

export class NodeDefs {
  readonly #defs: ReadonlyMap<string, NodeDef>;
  readonly #instances = new WeakMap<DocumentState["graphs"], Map<string, NodeDef>>();

  constructor(defs: Iterable<NodeDef>) {
    this.#defs = new Map([...VIRTUAL_DEFS, ...defs].map((def) => [def.name, def]));
  }

  /** Definition of a type that the server or the editor knows. */
  get(type: string): NodeDef | undefined {
    return this.#defs.get(type);
  }

  /** The same, and of instances of the document's own subgraphs. */
  of(state: DocumentState, type: string): NodeDef | undefined {
    const known = this.#defs.get(type);
    const graph = known ? undefined : state.graphs.get(type);
    if (!graph) return known;
    const cache = this.#instances.get(state.graphs) ?? new Map<string, NodeDef>();
    this.#instances.set(state.graphs, cache);
    const cached = cache.get(type);
    if (cached) return cached;
    cache.set(type, subgraphDef(graph)); // what a subgraph inside itself would see
    const def = subgraphDef(graph, { state, defs: this });
    cache.set(type, def);
    return def;
  }

  /** Every definition, virtual ones first. */
  all(): Iterable<NodeDef> {
    return this.#defs.values();
  }
}

/** @param objectInfo what GET /object_info answers. Entries of no known shape are left out. */
export function parseNodeDefs(objectInfo: JsonObject): NodeDefs {
  return new NodeDefs(
    Object.entries(objectInfo).flatMap(([name, raw]) => (isObject(raw) ? [parseNodeDef(name, raw)] : [])),
  );
}
