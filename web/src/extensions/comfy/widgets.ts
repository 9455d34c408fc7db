/** `ComfyWidgets`: who makes a node's widget for an input of each type. Packs replace and call them. */
import type { Loose, Open } from "../loose";

type Factory = (node: Open, name: string, spec: Loose, app?: Loose) => Open;

function numberOptions(options: Open, preset: number, step: number, precision: number | undefined): [number, Open] {
  const { default: given = preset, min = 0, max = 2048, step: own = step, round } = options;
  return [Number(given), { ...options, min: Number(min), max: Number(max), step: own * 10, step2: own, round: round ?? false, precision }];
}

function digits(step: number): number {
  return Math.max(0, -Math.floor(Math.log10(step || 1)));
}

/** The widget that says how a value goes on after a run; right behind it. */
export function addValueControlWidget(node: Open, target: Open, preset = "randomize", _values?: Loose, name?: string): Open {
  const control = node.addWidget("combo", name ?? "control_after_generate", preset, () => {}, { values: ["fixed", "increment", "decrement", "randomize"], serialize: false });
  const { widgets } = node;
  widgets.splice(widgets.indexOf(control), 1);
  widgets.splice(widgets.indexOf(target) + 1, 0, control);
  (target.linkedWidgets ??= []).push(control);
  return control;
}

const controlled = (make: (options: Open) => [string, number, Open]): Factory => (node, name, spec) => {
  const options: Open = spec[1] ?? {};
  const [type, value, made] = make(options);
  const widget = node.addWidget(type, name, value, () => {}, made);
  const wanted = options.control_after_generate;
  if (wanted) addValueControlWidget(node, widget, typeof wanted === "string" ? wanted : undefined);
  return { widget };
};

export function makeWidgets(): Record<string, Factory> {
  const combo: Factory = (node, name, spec) => {
    const options: Open = spec[1] ?? {};
    const values: Loose[] = Array.isArray(spec[0]) ? spec[0] : (options.options ?? []);
    const preset = options.default ?? values[0] ?? "";
    return { widget: node.addWidget("combo", name, preset, () => {}, { ...options, values }) };
  };
  const text: Factory = (node, name, spec) => {
    const options: Open = spec[1] ?? {};
    const widget = node.addWidget(options.multiline ? "customtext" : "text", name, options.default ?? "", () => {}, { ...options });
    if (options.dynamicPrompts !== undefined) widget.dynamicPrompts = options.dynamicPrompts;
    return { widget, minWidth: options.multiline ? 400 : undefined, minHeight: options.multiline ? 200 : undefined };
  };
  return {
    INT: controlled((options) => ["number", ...numberOptions(options, 0, 1, 0)]),
    FLOAT: controlled((options) => ["number", ...numberOptions(options, 0, 0.5, options.precision ?? digits(Number(options.step ?? 0.5)))]),
    BOOLEAN: (node, name, spec) => {
      const options: Open = spec[1] ?? {};
      return { widget: node.addWidget("toggle", name, options.default ?? false, () => {}, { ...options, on: options.label_on ?? "true", off: options.label_off ?? "false" }) };
    },
    STRING: text,
    MARKDOWN: (node, name, spec, app) => text(node, name, [spec[0], { ...spec[1], multiline: true }], app),
    COMBO: combo,
    COLOR: (node, name, spec) => ({ widget: node.addWidget("color", name, spec[1]?.default ?? "#000000", () => {}, { ...spec[1] }) }),
    IMAGEUPLOAD: (node, name) => ({ widget: node.addWidget("button", name, "image", () => {}, { serialize: false }) }),
  };
}
