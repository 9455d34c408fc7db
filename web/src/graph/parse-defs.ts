/** From a server's description of a node to a `NodeDef`. Odd values get the default of their kind, never an error. */
import type { Autogrow, InputDef, NodeDef, OutputDef } from "./defs";
import { list, number, object, text } from "./lenient";
import { parseWidget } from "./parse-widgets";
import type { JsonObject, JsonValue } from "./types";
import { isArray } from "./values";

/** The field's editor gives these a view of the model as a widget, which servers get as an input of their own. */
const VIEWERS_3D: ReadonlySet<string> = new Set(["SaveGLB", "Preview3D", "Preview3DAnimation"]);
const NONE: ReadonlySet<string> = new Set();
const VIEW_3D: InputDef = {
  name: "image",
  type: "LOAD_3D",
  optional: true,
  widget: { kind: "other", type: "LOAD_3D", default: "" },
  forced: false,
  socket: false,
  label: "view",
  tooltip: "",
  lazy: false,
  advanced: true,
  options: {},
};

/** @param own types of inputs that scripts of packs have widgets for. */
export function parseNodeDef(name: string, raw: JsonObject, own: ReadonlySet<string> = NONE): NodeDef {
  const module = text(raw.python_module, "");
  return {
    name,
    displayName: text(raw.display_name, "") || name,
    description: text(raw.description, ""),
    category: text(raw.category, ""),
    module,
    inputs: [...parseInputs(object(raw.input), object(raw.input_order), own), ...(VIEWERS_3D.has(name) ? [VIEW_3D] : [])],
    outputs: parseOutputs(raw),
    isOutput: raw.output_node === true,
    virtual: false,
    deprecated: raw.deprecated === true,
    experimental: raw.experimental === true,
    api: raw.api_node === true,
    aliases: list(raw.search_aliases).filter((alias) => typeof alias === "string"),
  };
}

/** Inputs of a node, or of one choice of a dynamic combo: required ones first, each in the order given. */
function parseInputs(input: JsonObject, order: JsonObject, own: ReadonlySet<string>): InputDef[] {
  return (["required", "optional"] as const).flatMap((section) => {
    const specs = object(input[section]);
    const names = list(order[section]).filter(
      (name): name is string => typeof name === "string" && Object.hasOwn(specs, name),
    );
    const all = new Set([...names, ...Object.keys(specs)]);
    return [...all].map((name) => parseInput(name, specs[name], section === "optional", own));
  });
}

function parseInput(name: string, spec: JsonValue | undefined, optional: boolean, own: ReadonlySet<string>): InputDef {
  const [head, tail] = list(spec);
  const options = object(tail);
  const type = isArray(head) ? "COMBO" : text(head, "*");
  const choices = isArray(head) ? head : undefined;
  const widget = parseWidget({ name, type, options, choices, own }, (inner) => parseInputs(inner, {}, own));
  const forced = widget !== undefined && options.forceInput === true;
  const autogrow = type === "COMFY_AUTOGROW_V3" ? parseAutogrow(name, object(options.template)) : undefined;
  const template = type === "COMFY_MATCHTYPE_V3" ? object(options.template) : undefined;
  return {
    name,
    type: template ? text(template.allowed_types, "*") : type,
    optional,
    ...(widget && !forced && { widget }),
    forced,
    socket: options.socketless !== true,
    ...(autogrow && { autogrow }),
    ...(template && { match: text(template.template_id, name) }),
    label: text(options.display_name, name),
    tooltip: text(options.tooltip, ""),
    lazy: options.lazy === true,
    advanced: options.advanced === true,
    options,
  };
}

function parseAutogrow(group: string, template: JsonObject): Autogrow {
  const [inner] = parseInputs(object(template.input), {}, NONE);
  const max = number(template.max, 100);
  const named = list(template.names).filter((name): name is string => typeof name === "string");
  const prefix = text(template.prefix, "");
  const names = named.length > 0 ? named : Array.from({ length: max }, (_, index) => `${prefix}${index}`);
  return { type: inner?.type ?? "*", names: names.map((name) => `${group}.${name}`), min: number(template.min, 1) };
}

function parseOutputs(raw: JsonObject): OutputDef[] {
  const lists = list(raw.output_is_list);
  const names = list(raw.output_name);
  const tooltips = list(raw.output_tooltips);
  const matches = list(raw.output_matchtypes);
  return list(raw.output).map((declared, index) => {
    const type = isArray(declared) ? "COMBO" : text(declared, "*");
    const match = text(matches[index], "");
    return {
      name: text(names[index], "") || type,
      type: type === "COMFY_MATCHTYPE_V3" ? "*" : type,
      list: lists[index] === true,
      ...(match && { match }),
      tooltip: text(tooltips[index], ""),
    };
  });
}
