/** From a server's description of a node to a `NodeDef`. Odd values get the default of their kind, never an error. */
import type { Autogrow, ComboValue, ControlMode, InputDef, NodeDef, OutputDef, UploadKind, Widget } from "./defs";
import type { JsonObject, JsonValue } from "./types";
import { isArray, isObject } from "./values";

const CONTROL_MODES: readonly string[] = ["fixed", "increment", "decrement", "randomize", "increment-wrap"];
/** Types drawn as widgets by the field's editor that we hold without a control of our own. */
const OTHER_WIDGETS: readonly string[] = [
  "BOUNDING_BOX",
  "CURVE",
  "MARKDOWN",
  "IMAGECOMPARE",
  "CHART",
  "GALLERIA",
  "PAINTER",
  "RANGE",
  "COLORS",
];

/** The field's editor gives these a view of the model as a widget, which servers get as an input of their own. */
const VIEWERS_3D: ReadonlySet<string> = new Set(["SaveGLB", "Preview3D", "Preview3DAnimation"]);
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

export function parseNodeDef(name: string, raw: JsonObject): NodeDef {
  const module = text(raw.python_module, "");
  return {
    name,
    displayName: text(raw.display_name, "") || name,
    description: text(raw.description, ""),
    category: text(raw.category, ""),
    module,
    inputs: [...parseInputs(object(raw.input), object(raw.input_order)), ...(VIEWERS_3D.has(name) ? [VIEW_3D] : [])],
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
function parseInputs(input: JsonObject, order: JsonObject): InputDef[] {
  return (["required", "optional"] as const).flatMap((section) => {
    const specs = object(input[section]);
    const names = list(order[section]).filter(
      (name): name is string => typeof name === "string" && Object.hasOwn(specs, name),
    );
    const all = new Set([...names, ...Object.keys(specs)]);
    return [...all].map((name) => parseInput(name, specs[name], section === "optional"));
  });
}

function parseInput(name: string, spec: JsonValue | undefined, optional: boolean): InputDef {
  const [head, tail] = list(spec);
  const options = object(tail);
  const type = isArray(head) ? "COMBO" : text(head, "*");
  const widget = parseWidget(name, type, isArray(head) ? head : undefined, options);
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
  const [inner] = parseInputs(object(template.input), {});
  const max = number(template.max, 100);
  const named = list(template.names).filter((name): name is string => typeof name === "string");
  const prefix = text(template.prefix, "");
  const names = named.length > 0 ? named : Array.from({ length: max }, (_, index) => `${prefix}${index}`);
  return { type: inner?.type ?? "*", names: names.map((name) => `${group}.${name}`), min: number(template.min, 1) };
}

function parseWidget(
  name: string,
  type: string,
  choices: readonly JsonValue[] | undefined,
  options: JsonObject,
): Widget | undefined {
  const kind = text(options.widgetType, type);
  const control = parseControl(name, type, options.control_after_generate);
  const base = {
    ...(typeof options.display === "string" && { display: options.display }),
    ...(control && { control }),
  };
  switch (kind) {
    case "INT":
      return {
        ...base,
        kind: "int",
        default: whole(options.default, 0),
        min: whole(options.min, 0),
        max: whole(options.max, 2048),
        step: number(options.step, 1) || 1,
      };
    case "FLOAT":
      return {
        ...base,
        kind: "float",
        default: number(options.default, 0),
        min: number(options.min, 0),
        max: number(options.max, 2048),
        step: number(options.step, 0.5) || 0.5,
        round: options.round === false ? 0 : number(options.round, 0),
      };
    case "BOOLEAN":
      return {
        ...base,
        kind: "boolean",
        default: options.default === true,
        ...(typeof options.label_on === "string" && { labelOn: options.label_on }),
        ...(typeof options.label_off === "string" && { labelOff: options.label_off }),
      };
    case "STRING":
      return {
        ...base,
        kind: "string",
        default: text(options.default, ""),
        multiline: options.multiline === true,
        dynamicPrompts: options.dynamicPrompts === true,
        ...(typeof options.placeholder === "string" && { placeholder: options.placeholder }),
      };
    case "COLOR":
      return { ...base, kind: "color", default: text(options.default, "#000000") };
    case "COMBO":
      return { ...base, ...parseCombo(choices ?? list(options.options), options) };
    case "COMFY_DYNAMICCOMBO_V3":
      return { ...base, ...parseDynamicCombo(list(options.options), options) };
    case "LOAD_3D":
      return { ...base, kind: "other", type, default: "" };
    default:
      return OTHER_WIDGETS.includes(kind)
        ? { ...base, kind: "other", type, default: options.default ?? null }
        : undefined;
  }
}

function parseControl(name: string, type: string, option: JsonValue | undefined): ControlMode | undefined {
  if (option === undefined)
    return type === "INT" && (name === "seed" || name === "noise_seed") ? "randomize" : undefined;
  if (typeof option === "string" && CONTROL_MODES.includes(option)) return option as ControlMode;
  return option ? "randomize" : undefined;
}

function parseCombo(choices: readonly JsonValue[], options: JsonObject): Widget {
  const values = choices.filter((value): value is ComboValue => !isArray(value) && !isObject(value) && value !== null);
  const upload = parseUpload(options);
  const preset = options.default;
  const known = typeof preset === "string" || typeof preset === "number" || typeof preset === "boolean";
  return {
    kind: "combo",
    default: known ? preset : (values[0] ?? ""),
    options: values,
    multiple: isObject(options.multi_select),
    ...(upload && { upload }),
    ...(isObject(options.remote) && { remote: options.remote }),
  };
}

function parseUpload(options: JsonObject): { kind: UploadKind; folder: string } | undefined {
  const folder = text(options.image_folder, "input");
  const kinds: readonly [string, UploadKind][] = [
    ["image_upload", "image"],
    ["animated_image_upload", "image"],
    ["video_upload", "video"],
    ["audio_upload", "audio"],
    ["mesh_upload", "mesh"],
    ["file_upload", "file"],
  ];
  const found = kinds.find(([option]) => options[option] === true);
  return found && { kind: found[1], folder };
}

function parseDynamicCombo(choices: readonly JsonValue[], options: JsonObject): Widget {
  const parsed = choices
    .filter(isObject)
    .map((choice) => ({ key: text(choice.key, ""), inputs: parseInputs(object(choice.inputs), {}) }));
  return { kind: "dynamic-combo", default: text(options.default, parsed[0]?.key ?? ""), options: parsed };
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

function text(value: JsonValue | undefined, fallback: string): string {
  return typeof value === "string" ? value : fallback;
}

function number(value: JsonValue | undefined, fallback: number): number {
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : fallback;
}

function whole(value: JsonValue | undefined, fallback: number): number | bigint {
  return typeof value === "bigint" || typeof value === "number" ? value : fallback;
}

function object(value: JsonValue | undefined): JsonObject {
  return isObject(value) ? value : {};
}

function list(value: JsonValue | undefined): readonly JsonValue[] {
  return isArray(value) ? value : [];
}
