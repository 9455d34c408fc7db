/** The document as the server runs it: nodes with values and sources, nothing that is only drawn (FORMATS.md 3 and 4). */
import type { NodeDef, NodeDefs } from "../defs";
import type { DocumentState, JsonObject, JsonValue, Node } from "../types";
import { Mode, ROOT } from "../types";
import { isArray } from "../values";
import { serialize } from "../workflow/serialize";
import { type WidgetEntry, valueOf, widgetsOf } from "../widgets";
import { type Resolved, type Resolver, type Scope, enter, executionId, resolveInput } from "./resolve";
import { type Random, fillFileName, resolveChoices } from "./text";

export interface PromptNode extends JsonObject {
  readonly class_type: string;
  readonly inputs: JsonObject;
  readonly _meta: JsonObject;
}
export type Prompt = Readonly<Record<string, PromptNode>>;

export interface PromptOptions {
  /** Makes the `{a|b}` choices. */
  readonly random?: Random;
  /** For `%date%` in file names. */
  readonly now?: Date;
}

/** @returns the prompt, and the workflow as it goes into the pictures. */
export function toPrompt(
  state: DocumentState,
  defs: NodeDefs,
  options: PromptOptions = {},
): { prompt: Prompt; workflow: JsonObject } {
  const { random = Math.random, now = new Date() } = options;
  const builder = new Builder(state, defs, random, now);
  return { prompt: builder.build(), workflow: serialize(state, defs) };
}

class Builder {
  readonly #resolver: Resolver;
  readonly #prompt = new Map<string, PromptNode>();

  constructor(
    readonly state: DocumentState,
    readonly defs: NodeDefs,
    readonly random: Random,
    readonly now: Date,
  ) {
    this.#resolver = {
      graphs: state.graphs,
      isVirtual: (type) => defs.get(type)?.virtual === true,
      promoted: (type, input) => defs.of(state, type)?.inputs.find(({ name }) => name === input)?.initial ?? undefined,
    };
  }

  build(): Prompt {
    const root = this.state.graphs.get(ROOT);
    if (root) this.#addAll({ graph: root, path: [] });
    return Object.fromEntries(
      [...this.#prompt].map(([id, node]) => [id, { ...node, inputs: this.#living(node.inputs) }]),
    );
  }

  #addAll(scope: Scope): void {
    for (const node of scope.graph.nodes.values()) {
      if (node.mode === Mode.Never || node.mode === Mode.Bypass) continue;
      const def = this.defs.get(node.type);
      const inside = def ? undefined : enter(this.#resolver, scope, node);
      const endless = inside && scope.path.length > this.state.graphs.size;
      if (inside && !endless) this.#addAll(inside);
      else if (!inside && !def?.virtual) this.#prompt.set(executionId(scope, node), this.#node(scope, node, def));
    }
  }

  #node(scope: Scope, node: Node, def: NodeDef | undefined): PromptNode {
    const entries = new Map(widgetsOf(this.defs, this.state, scope.graph.id, node).map((entry) => [entry.key, entry]));
    const inputs: Record<string, JsonValue> = {};
    const put = (name: string, value: JsonValue, entry: WidgetEntry | undefined): void => {
      inputs[name] = literal(this.#worked(value, entry), entry);
    };
    if (!def) for (const [key, value] of Object.entries(node.widgets)) put(key, value, undefined);
    for (const entry of entries.values()) if (entry.role === "value") put(entry.key, valueOf(node, entry), entry);
    for (const slot of node.inputs) {
      const found = resolveInput(this.#resolver, scope, slot);
      if (!found) continue;
      if ("id" in found) inputs[slot.name] = [found.id, found.slot];
      else
        put(slot.name, (found as Extract<Resolved, { value: JsonValue }>).value, entries.get(slot.widget ?? slot.name));
    }
    return { inputs, class_type: node.type, _meta: meta(node, def) };
  }

  #worked(value: JsonValue, entry: WidgetEntry | undefined): JsonValue {
    if (typeof value !== "string" || entry?.widget.kind !== "string") return value;
    if (entry.name === "filename_prefix") return fillFileName(value, this.state, this.now);
    return entry.widget.dynamicPrompts ? resolveChoices(value, this.random) : value;
  }

  /** Without inputs that come from nodes that are not sent. */
  #living(inputs: JsonObject): JsonObject {
    return Object.fromEntries(
      Object.entries(inputs).filter(([, value]) => !isArray(value) || this.#prompt.has(String(value[0]))),
    );
  }
}

/** A list would be read as a wire: it is wrapped. */
function literal(value: JsonValue, entry: WidgetEntry | undefined): JsonValue {
  if (entry?.widget.kind === "other" && entry.widget.type === "CURVE") return { __type__: "CURVE", __value__: value };
  return isArray(value) ? { __value__: value } : value;
}

function meta(node: Node, def: NodeDef | undefined): JsonObject {
  const told = ["cnr_id", "aux_id", "ver"].flatMap((key) => {
    const value = node.properties[key];
    return typeof value === "string" && value !== "" ? [[key, value]] : [];
  });
  return { title: node.title ?? def?.displayName ?? node.type, ...Object.fromEntries(told) };
}
