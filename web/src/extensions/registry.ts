/** Node types: a class for each that the server knows, which packs may patch before it is registered. */
import { type InputDef, type JsonObject, NodeDefs, type NodeDef, isObject, makeNode } from "../graph";
import { parseNodeDef } from "../graph/parse-defs";
import type { ComfyApp } from "./comfy/app";
import type { Guard } from "./guard";
import { LGraphNode } from "./litegraph/node";
import type { Loose, Open } from "./loose";
import { addDefined } from "./mirror/widgets";
import { takeInputs, takeOutputs } from "./mirror/values";

/** Virtual nodes of the field, which packs look for by name. */
const BUILT_IN = ["Note", "MarkdownNote", "PrimitiveNode", "Reroute"] as const;

export class Registry {
  readonly #types = new Map<string, { readonly data: Open; def: NodeDef }>();
  /** Types of inputs that packs make widgets for. */
  #own: ReadonlySet<string> = new Set();

  constructor(
    readonly app: ComfyApp,
    readonly lite: Open,
    readonly guard: Guard,
  ) {}

  /** Register all that the server knows, as packs want it. */
  async register(objectInfo: JsonObject, widgets: Readonly<Record<string, Loose>> = {}): Promise<void> {
    for (const type of BUILT_IN) if (!this.lite.registered_node_types[type]) this.lite.registerNodeType(type, this.#virtualClass(type));
    const defs: Open = structuredClone(objectInfo) as Open;
    await this.app._invokeAsync("addCustomNodeDefs", defs);
    const made = await this.app._invokeAsync("getCustomWidgets");
    const core = new Set(Object.keys(this.app.widgets));
    const own = new Set<string>();
    for (const factories of [widgets, ...made]) for (const [type, factory] of Object.entries(factories ?? {})) if (!core.has(type)) {
      this.app.widgets[type] = factory;
      own.add(type);
    }
    this.#own = own;
    for (const [name, data] of Object.entries(defs)) await this.registerOne(name, data);
    await this.app._invokeAsync("registerCustomNodes");
  }

  async registerOne(name: string, data: Open): Promise<void> {
    const made = this.#classOf(name, data);
    await this.app._invokeAsync("beforeRegisterNodeDef", made, data);
    const def = this.#parse(name, data);
    if (!def) return;
    this.#types.set(name, { data, def });
    made.nodeData = data;
    made.category = data.category;
    this.lite.registerNodeType(name, made);
    if (data.category) made.category = data.category;
    made.title = def.displayName;
  }

  /** The server's lists were read again: what packs have changed stays, choices are the new ones. */
  async refresh(objectInfo: JsonObject): Promise<void> {
    for (const [name, raw] of Object.entries(objectInfo)) {
      const known = this.#types.get(name);
      if (!known) {
        await this.registerOne(name, structuredClone(raw) as Open);
        continue;
      }
      for (const section of ["required", "optional"]) {
        for (const [input, spec] of Object.entries(((raw as Open).input?.[section] ?? {}) as Open)) {
          const held = known.data.input?.[section]?.[input];
          if (Array.isArray(held?.[0]) && Array.isArray(spec?.[0])) held[0] = [...spec[0]];
          else if (held?.[0] === "COMBO" && spec?.[1]?.options) held[1] = { ...held[1], options: [...spec[1].options] };
        }
      }
      known.def = this.#parse(name, known.data) ?? known.def;
    }
    await this.app._invokeAsync("refreshComboInNodes", objectInfo);
  }

  /** All definitions: the server's as packs have changed them, and those that live in scripts alone. */
  defs(): NodeDefs {
    const scripted = Object.entries(this.lite.registered_node_types as Open)
      .filter(([type]) => !this.#types.has(type) && !(BUILT_IN as readonly string[]).includes(type))
      .map(([type, made]) => virtualDef(type, made));
    return new NodeDefs([...[...this.#types.values()].map(({ def }) => def), ...scripted]);
  }

  #parse(name: string, data: Open): NodeDef | undefined {
    return this.guard.run(() => (isObject(data as JsonObject) ? parseNodeDef(name, data as JsonObject, this.#own) : undefined), `the definition of ${name}`);
  }

  #classOf(name: string, data: Open): Loose {
    const registry = this;
    class ComfyNode extends LGraphNode {
      static override comfyClass: Loose = name;
      static override title: Loose = data.display_name || name;
      constructor(title?: string) {
        super(title, name);
        registry.#build(this, name);
      }
    }
    (ComfyNode.prototype as Open).comfyClass = name;
    (ComfyNode.prototype as Open).getExtraMenuOptions = () => []; // packs call the one before theirs without asking
    return ComfyNode;
  }

  /** Slots, widgets and size by the definition; then packs are told. */
  #build(node: LGraphNode, name: string): void {
    const def = this.#types.get(name)?.def;
    if (!def) return;
    const doc = makeNode(-1, def, [0, 0]);
    takeInputs(node, doc.inputs);
    takeOutputs(node, doc.outputs, () => null);
    node._size = [...doc.size];
    node._properties = { ...doc.properties };
    node.serialize_widgets = true;
    this.guard.run(() => addDefined(node, def, this.app.widgets, this.app), `the widgets of ${name}`, node);
    this.app._invoke("nodeCreated", node);
  }

  #virtualClass(type: string): Loose {
    return class extends LGraphNode {
      static override title: Loose = type;
      static override category: Loose = "utils";
      isVirtualNode = true;
      serialize_widgets = type !== "Reroute";
    };
  }
}

/** A type that only a script knows: never sent, its slots and widgets are its own. */
function virtualDef(type: string, made: Loose): NodeDef {
  const inputs: readonly InputDef[] = [];
  return {
    name: type, displayName: String(made.title ?? type), description: String(made.desc ?? ""), category: String(made.category ?? ""), module: "scripts", inputs, outputs: [],
    isOutput: false, virtual: true, deprecated: false, experimental: false, api: false, aliases: [],
  };
}
