/** Nodes that live in the editor alone. */
import type { InputDef, NodeDef, OutputDef, StringWidget } from "./defs";

export const NOTE = "Note";
export const MARKDOWN_NOTE = "MarkdownNote";
/** Holds one value for the widgets that it is wired to. */
export const PRIMITIVE = "PrimitiveNode";
/** A knot in a wire. */
export const REROUTE = "Reroute";

const socket: Omit<InputDef, "name" | "type" | "label"> = {
  optional: true,
  socket: true,
  forced: false,
  tooltip: "",
  lazy: false,
  advanced: false,
  options: {},
};

/** Who shows them has their words. */
function virtual(name: string, inputs: InputDef[], outputs: OutputDef[]): NodeDef {
  return {
    name,
    displayName: name,
    description: "",
    category: "utils",
    module: "virtual",
    inputs,
    outputs,
    isOutput: false,
    virtual: true,
    deprecated: false,
    experimental: false,
    api: false,
    aliases: [],
  };
}

function text(widget: Omit<StringWidget, "kind" | "default" | "multiline" | "dynamicPrompts">): InputDef {
  const body: StringWidget = { kind: "string", default: "", multiline: true, dynamicPrompts: false, ...widget };
  return { ...socket, name: "text", type: "STRING", label: "text", socket: false, widget: body };
}

const any: OutputDef = { name: "", type: "*", list: false, tooltip: "" };

export const VIRTUAL_DEFS: readonly NodeDef[] = [
  virtual(NOTE, [text({})], []),
  virtual(MARKDOWN_NOTE, [text({ markdown: true })], []),
  virtual(PRIMITIVE, [], [any]),
  virtual(REROUTE, [{ ...socket, name: "", type: "*", label: "" }], [any]),
];
