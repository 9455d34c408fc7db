/** What a form shows is kept in the file, as the field keeps it. */
import { expect, test } from "vitest";
import { GraphDocument, ROOT, formOf, openJson, parseNodeDefs, serialize, setForm, setWidget } from "../../src/graph";

const defs = parseNodeDefs({ Say: { input: { required: { text: ["STRING", {}] } }, output: ["STRING"], output_name: ["STRING"], name: "Say", display_name: "Say" } });
const file = (extra: object): object => ({ version: 0.4, last_node_id: 3, last_link_id: 0, links: [], groups: [], nodes: [{ id: 3, type: "Say", pos: [0, 0], size: [100, 100], inputs: [], outputs: [], properties: {}, widgets_values: ["a"] }], extra });

test("a form is written, read, undone, and what is gone is left out", () => {
  const { state } = openJson(file({ linearData: { inputs: [[3, "text", { height: 80 }], [9, "seed"]], outputs: [9], theirs: 1 }, linearMode: true }) as never, defs);
  expect(formOf(state)).toEqual({ inputs: [{ node: 3, name: "text" }], outputs: [] });
  const document = new GraphDocument(defs, state);
  document.execute(setForm({ inputs: [{ node: 3, name: "text" }], outputs: [3] }));
  const saved = serialize(document.state, defs, undefined) as { extra: Record<string, unknown> };
  expect(saved.extra.linearMode).toBe(true);
  expect(saved.extra.linearData).toEqual({ inputs: [[3, "text", { height: 80 }]], outputs: [3], theirs: 1 });
  expect(formOf(openJson(saved as never, defs).state)).toEqual({ inputs: [{ node: 3, name: "text" }], outputs: [3] });
  document.execute(setWidget(ROOT, 3, "text", "b"));
  document.undo();
  document.undo();
  expect(formOf(document.state).outputs).toEqual([]);
});
