import { expect, test } from "vitest";
import {
  EditorView,
  GraphDocument,
  ROOT,
  addNode,
  connect,
  copy,
  duplicate,
  groupNodes,
  isClipboardData,
  parseJson,
  parseWorkflow,
  paste,
  removeNodes,
  setWidget,
  stringifyJson,
  toPrompt,
} from "../../src/graph";
import { goldenDefs, workflows } from "./golden";

function three(): {
  document: GraphDocument;
  ids: [loader: string | number, text: string | number, sampler: string | number];
} {
  const document = new GraphDocument(goldenDefs);
  const add = (type: string, x: number): string | number => document.execute(addNode(ROOT, type, [x, 0]));
  const ids: [string | number, string | number, string | number] = [
    add("CheckpointLoaderSimple", 0),
    add("CLIPTextEncode", 300),
    add("KSampler", 600),
  ];
  document.execute(connect(ROOT, { node: ids[0], slot: 1 }, { node: ids[1], input: "clip" }));
  document.execute(connect(ROOT, { node: ids[1], slot: 0 }, { node: ids[2], input: "positive" }));
  return { document, ids };
}

test("copies keep values and the wires among them, under new ids", () => {
  const { document, ids } = three();
  document.execute(setWidget(ROOT, ids[2], "seed", 2n ** 60n));
  const text = stringifyJson(copy(document.state, ROOT, [ids[1], ids[2]], goldenDefs));
  const data = parseJson(text);
  if (!isClipboardData(data)) throw new Error("no clipboard data");
  const { nodes } = document.execute(paste(ROOT, data, [1000, 1000]));
  expect(nodes.length).toBe(2);
  const { prompt } = toPrompt(document.state, goldenDefs);
  expect(prompt[String(nodes[1])]?.inputs).toMatchObject({ seed: 2n ** 60n, positive: [String(nodes[0]), 0] });
  expect(prompt[String(nodes[0])]?.inputs).not.toHaveProperty("clip");
  expect(document.graph().nodes.get(nodes[0] ?? "")?.pos).toEqual([1000, 1030]);
});

test("wires from outside are kept where that is asked for", () => {
  const { document, ids } = three();
  const { nodes } = document.execute(duplicate(ROOT, [ids[1]]));
  expect(toPrompt(document.state, goldenDefs).prompt[String(nodes[0])]?.inputs.clip).toEqual([String(ids[0]), 1]);
  const { nodes: loose } = document.execute(duplicate(ROOT, [ids[1]], { keepIncoming: false }));
  expect(toPrompt(document.state, goldenDefs).prompt[String(loose[0])]?.inputs).not.toHaveProperty("clip");
});

test("a paste of many is one step", () => {
  const { document, ids } = three();
  const before = document.state.graphs.get(ROOT)?.nodes;
  document.execute(paste(ROOT, copy(document.state, ROOT, ids, goldenDefs)));
  document.undo();
  expect(document.graph().nodes).toEqual(before);
});

test("frames are copied with their nodes", () => {
  const { document, ids } = three();
  const group = document.execute(groupNodes(ROOT, ids, "All"));
  const { groups } = document.execute(paste(ROOT, copy(document.state, ROOT, ids, goldenDefs, [group])));
  expect(document.graph().groups.get(groups[0] ?? -1)?.title).toBe("All");
});

test("a subgraph's definition goes along into another document", () => {
  const { state } = parseWorkflow(workflows.image_flux2 ?? null, goldenDefs);
  const instance = [...(state.graphs.get(ROOT)?.nodes.values() ?? [])].find((node) => state.graphs.has(node.type));
  if (!instance) throw new Error("no instance");
  const other = new GraphDocument(goldenDefs);
  const { nodes } = other.execute(paste(ROOT, copy(state, ROOT, [instance.id], goldenDefs)));
  expect(other.state.graphs.has(instance.type)).toBe(true);
  const inside = Object.keys(toPrompt(other.state, goldenDefs).prompt).filter((id) => id.startsWith(`${nodes[0]}:`));
  expect(inside.length).toBeGreaterThan(3);
});

test("the selection forgets what is gone", () => {
  const { document, ids } = three();
  const view = new EditorView();
  document.subscribe((change) => view.follow(change, document.state.graphs));
  view.select(ids);
  document.execute(removeNodes(ROOT, [ids[0]]));
  expect([...view.selection.nodes]).toEqual([ids[1], ids[2]]);
});
