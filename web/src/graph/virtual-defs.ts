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

function virtual(
  name: string,
  displayName: string,
  description: string,
  inputs: InputDef[],
  outputs: OutputDef[],
): NodeDef {
  return {
    name,
    displayName,
    description,
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
  virtual(NOTE, "Note", "Words for people; nothing runs.", [text({})], []),
  virtual(MARKDOWN_NOTE, "Markdown note", "Formatted words for people; nothing runs.", [text({ markdown: true })], []),
  virtual(PRIMITIVE, "Primitive", "One value for every widget that it is wired to.", [], [any]),
  virtual(REROUTE, "Reroute", "A knot in a wire.", [{ ...socket, name: "", type: "*", label: "" }], [any]),
];
