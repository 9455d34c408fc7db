/** A workflow as a form: which of its fields and results are shown, in `extra.linearData` as files of the field have it. */
import type { Command } from "./document";
import { type DocumentState, type JsonObject, type JsonValue, type NodeId, ROOT } from "./types";
import { isArray, isObject } from "./values";

export interface Form {
  /** Fields by node and by their name in files, in the order in which they are shown. */
  readonly inputs: readonly { readonly node: NodeId; readonly name: string }[];
  /** Nodes whose results are shown. */
  readonly outputs: readonly NodeId[];
}

export const NO_FORM: Form = { inputs: [], outputs: [] };

/** The form of a workflow; what it names and is not there any more is left out. */
export function formOf(state: DocumentState): Form {
  const root = state.graphs.get(ROOT);
  const extra = root && isObject(root.rest.extra) ? root.rest.extra : {};
  const data = isObject(extra.linearData) ? extra.linearData : {};
  const known = (value: JsonValue | undefined): NodeId | undefined => {
    if (typeof value !== "number" && typeof value !== "string") return undefined;
    return [value, Number(value), String(value)].find((id) => root?.nodes.has(id));
  };
  const inputs = (isArray(data.inputs) ? data.inputs : []).flatMap((entry) => {
    const node = isArray(entry) ? known(entry[0]) : undefined;
    return isArray(entry) && node !== undefined && typeof entry[1] === "string" ? [{ node, name: entry[1] }] : [];
  });
  const outputs = (isArray(data.outputs) ? data.outputs : []).flatMap((value) => known(value) ?? []);
  return { inputs, outputs };
}

/** Say what the form shows. Heights that another editor gave to fields stay. */
export function setForm(form: Form): Command {
  return {
    label: "Choose the form",
    apply(draft) {
      const { rest } = draft.graph(ROOT);
      const extra = isObject(rest.extra) ? rest.extra : {};
      const before = isObject(extra.linearData) ? extra.linearData : {};
      const old = isArray(before.inputs) ? before.inputs : [];
      const inputs = form.inputs.map(({ node, name }): JsonValue => old.find((entry) => isArray(entry) && String(entry[0]) === String(node) && entry[1] === name) ?? [node, name]);
      const linearData: JsonObject = { ...before, inputs, outputs: form.outputs };
      draft.setMeta(ROOT, { rest: { ...rest, extra: { ...extra, linearData } } });
    },
  };
}
