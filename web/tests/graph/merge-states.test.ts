/** What two people did to one file becomes one document. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type DocumentState, GraphDocument, ROOT, addNode, connect, mergeStates, moveNodes, parseWorkflow, removeNodes, replaceAll, serialize, setWidget } from "../../src/graph";
import { type Dice, commandFor, sequences } from "./dice";
import { goldenDefs, workflows } from "./golden";

const BASE = parseWorkflow(workflows.sdxl_revision_text_prompts ?? null, goldenDefs).state;

/** A link that would be a loop while another one is not cut yet. */
const ONLY_ON_THE_WAY: Dice[] = [[94, 0, 0, 0], [55, 0, 520, 0], [20, 12, 4, 0], [0, 0, 0, 0]];

function after(work: (document: GraphDocument) => void, base: DocumentState = BASE): DocumentState {
  const document = new GraphDocument(goldenDefs, base);
  work(document);
  return document.state;
}

function some(type: string, state = BASE): number {
  return [...(state.graphs.get(ROOT)?.nodes.values() ?? [])].find((node) => node.type === type)?.id as number;
}

const merge = (mine: DocumentState, theirs: DocumentState) => mergeStates(BASE, mine, theirs, goldenDefs);
const root = ({ state }: { state: DocumentState }) => new GraphDocument(goldenDefs, state).graph();

test("changes of different nodes, and of different fields of one, all count", () => {
  const [sampler, text] = [some("KSampler"), some("CLIPTextEncode")];
  const mine = after((document) => document.execute(setWidget(ROOT, sampler, "steps", 7)));
  const theirs = after((document) => {
    document.execute(setWidget(ROOT, text, "text", "a cat"));
    document.execute(setWidget(ROOT, sampler, "cfg", 3));
    document.execute(moveNodes(ROOT, [sampler], [40, 0]));
  });
  const merged = merge(mine, theirs);
  expect(merged.clashes).toEqual([]);
  expect(merged.taken).toBe(2);
  expect(root(merged).nodes.get(sampler)?.widgets).toMatchObject({ steps: 7, cfg: 3 });
  expect(root(merged).nodes.get(text)?.widgets).toMatchObject({ text: "a cat" });
});

test("what both changed differently stays mine and is told", () => {
  const sampler = some("KSampler");
  const merged = merge(
    after((document) => document.execute(setWidget(ROOT, sampler, "steps", 7))),
    after((document) => document.execute(setWidget(ROOT, sampler, "steps", 8))),
  );
  expect(merged.clashes).toMatchObject([{ node: { id: sampler }, part: "steps" }]);
  expect(root(merged).nodes.get(sampler)?.widgets.steps).toBe(7);
});

test("new nodes of both are there, wired, though they were given the same number", () => {
  const sampler = some("KSampler");
  const mine = after((document) => document.execute(addNode(ROOT, "Note", [0, 0])));
  let id = 0;
  const theirs = after((document) => {
    id = document.execute(addNode(ROOT, "VAEDecode", [0, 0])) as number;
    document.execute(connect(ROOT, { node: sampler, slot: 0 }, { node: id, input: "samples" }));
  });
  const merged = merge(mine, theirs);
  expect(root(merged).nodes.get(id)?.type).toBe("Note");
  const made = [...root(merged).nodes.values()].at(-1);
  expect(made?.type).toBe("VAEDecode");
  const link = root(merged).links.get(made?.inputs.find(({ name }) => name === "samples")?.link ?? -1);
  expect(link?.from.node).toBe(sampler);
});

test("a node that they deleted goes with its links, unless I changed it", () => {
  const [sampler, text] = [some("KSampler"), some("CLIPTextEncode")];
  const theirs = after((document) => document.execute(removeNodes(ROOT, [sampler, text])));
  const merged = merge(
    after((document) => document.execute(setWidget(ROOT, text, "text", "mine"))),
    theirs,
  );
  expect(root(merged).nodes.has(sampler)).toBe(false);
  expect(root(merged).nodes.has(text)).toBe(true);
  expect(merged.clashes).toMatchObject([{ node: { id: text }, part: "node" }]);
});

function played(steps: readonly Dice[]): DocumentState {
  return after((document) => {
    for (const step of steps) {
      const command = commandFor(document, step);
      if (command) document.execute(command);
    }
  });
}

test("with nobody else's changes one's own stay, with none of one's own theirs are taken; every link fits its slots", () => {
  const file = (state: DocumentState) => serialize(state, goldenDefs);
  fc.assert(
    fc.property(sequences, sequences, (one, other) => {
      const [mine, theirs] = [played(one), played(other)];
      expect(file(merge(mine, BASE).state)).toEqual(file(mine));
      const { state } = merge(mine, theirs);
      const graph = root({ state });
      for (const link of graph.links.values()) expect(graph.nodes.get(link.to.node)?.inputs.filter((slot) => slot.link === link.id)).toHaveLength(1);
      for (const node of graph.nodes.values()) for (const { link } of node.inputs) if (link !== null) expect(graph.links.get(link)?.to.node).toBe(node.id);
      const taken = merge(BASE, theirs);
      expect(taken.clashes).toEqual([]);
      expect(new Set(root(taken).nodes.keys())).toEqual(new Set(theirs.graphs.get(ROOT)?.nodes.keys()));
    }),
    { numRuns: 25, examples: [[[[0, 0, 0, 0]], ONLY_ON_THE_WAY]] },
  );
});

test("a merge is one step that undo takes back", () => {
  const document = new GraphDocument(goldenDefs, BASE);
  const theirs = after((other) => other.execute(setWidget(ROOT, some("KSampler"), "steps", 9)));
  document.execute(replaceAll(merge(BASE, theirs).state, "Merge"));
  expect(document.graph().nodes.get(some("KSampler"))?.widgets.steps).toBe(9);
  document.undo();
  expect(serialize(document.state, goldenDefs)).toEqual(serialize(BASE, goldenDefs));
});
