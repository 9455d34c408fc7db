/** From an input's description to its widget. */
import type { ComboValue, ComboWidget, ControlMode, InputDef, UploadKind, Widget } from "./defs";
import { list, number, object, text, whole } from "./lenient";
import type { JsonObject, JsonValue } from "./types";
import { isArray, isObject } from "./values";

const CONTROL_MODES: readonly string[] = ["fixed", "increment", "decrement", "randomize", "increment-wrap"];

/** Types that the field's editor draws as widgets and whose values are no plain ones. */
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
  "WEBCAM",
  "AUDIO_RECORD",
];

/** What such a widget begins with where its node does not say. */
const BEGINNINGS: Readonly<Record<string, JsonValue>> = {
  CURVE: [[0, 0], [1, 1]],
  BOUNDING_BOX: { x: 0, y: 0, width: 512, height: 512 },
  WEBCAM: "",
  AUDIO_RECORD: "",
};

/** An input as the server describes it. */
export interface InputSpec {
  readonly name: string;
  readonly type: string;
  readonly options: JsonObject;
  /** The choices, where the type itself is a list of them. */
  readonly choices: readonly JsonValue[] | undefined;
  /** Types that scripts of packs have widgets for. */
  readonly own: ReadonlySet<string>;
}

/** Reads the inputs that one choice of a dynamic combo brings. */
type ReadInputs = (input: JsonObject) => InputDef[];

/** @returns undefined if the type is a pure socket's. */
export function parseWidget(spec: InputSpec, readInputs: ReadInputs): Widget | undefined {
  const kind = text(spec.options.widgetType, spec.type);
  if (spec.own.has(kind)) return ownWidget(spec);
  const read = Object.hasOwn(READERS, kind) ? READERS[kind] : undefined;
  const widget = read ? read(spec, readInputs) : otherWidget(kind, spec);
  if (!widget) return undefined;
  const { display } = spec.options;
  const control = parseControl(spec.name, spec.type, spec.options.control_after_generate);
  return { ...widget, ...(typeof display === "string" && { display }), ...(control && { control }) };
}

const READERS: Readonly<Record<string, (spec: InputSpec, readInputs: ReadInputs) => Widget>> = {
  INT: ({ options }) => ({
    kind: "int",
    default: whole(options.default, 0),
    min: whole(options.min, 0),
    max: whole(options.max, 2048),
    step: number(options.step, 1) || 1,
  }),
  FLOAT: ({ options }) => ({
    kind: "float",
    default: number(options.default, 0),
    min: number(options.min, 0),
    max: number(options.max, 2048),
    step: number(options.step, 0.5) || 0.5,
    round: options.round === false ? 0 : number(options.round, 0),
  }),
  BOOLEAN: ({ options }) => ({
    kind: "boolean",
    default: options.default === true,
    ...(typeof options.label_on === "string" && { labelOn: options.label_on }),
    ...(typeof options.label_off === "string" && { labelOff: options.label_off }),
  }),
  STRING: ({ options }) => ({
    kind: "string",
    default: text(options.default, ""),
    multiline: options.multiline === true,
    dynamicPrompts: options.dynamicPrompts === true,
    ...(typeof options.placeholder === "string" && { placeholder: options.placeholder }),
  }),
  COLOR: ({ options }) => ({ kind: "color", default: text(options.default, "#000000") }),
  COMBO: ({ choices, options }) => parseCombo(choices ?? list(options.options), options),
  COMFY_DYNAMICCOMBO_V3: ({ options }, readInputs) => {
    const found = list(options.options).filter(isObject);
    const choices = found.map((choice) => ({ key: text(choice.key, ""), inputs: readInputs(object(choice.inputs)) }));
    return { kind: "dynamic-combo", default: text(options.default, choices[0]?.key ?? ""), options: choices };
  },
  LOAD_3D: ({ type }) => ({ kind: "other", type, default: "" }),
};

/** A script draws it: we hold its value. */
function ownWidget({ type, options }: InputSpec): Widget {
  return { kind: "other", type, default: options.default ?? null };
}

function otherWidget(kind: string, { type, options }: InputSpec): Widget | undefined {
  return OTHER_WIDGETS.includes(kind) ? { kind: "other", type, default: options.default ?? BEGINNINGS[kind] ?? null } : undefined;
}

function parseControl(name: string, type: string, option: JsonValue | undefined): ControlMode | undefined {
  if (option === undefined)
    return type === "INT" && (name === "seed" || name === "noise_seed") ? "randomize" : undefined;
  if (typeof option === "string" && CONTROL_MODES.includes(option)) return option as ControlMode;
  return option ? "randomize" : undefined;
}

function parseCombo(choices: readonly JsonValue[], options: JsonObject): ComboWidget {
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
