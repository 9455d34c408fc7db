/** A subgraph kept as a file, and put into workflows: what it does is the same there. */
import { describe, expect, test } from "vitest";
import { GraphDocument, type NodeId, ROOT, addNode, blueprintOf, connect, insertBlueprint, makeSubgraph, openJson, readBlueprint, serialize, setWidget, toPrompt } from "../../src/graph";
import { goldenDefs } from "./golden";

/** A sampler and its picture's size in a subgraph, and one more node inside of another in it. */
function begun(): { document: GraphDocument; instance: NodeId; sampler: NodeId } {
  const document = new GraphDocument(goldenDefs);
  const add = (type: string): NodeId => document.execute(addNode(ROOT, type, [10, 20]));
  const [sampler, latent, decode] = [add("KSampler"), add("EmptyLatentImage"), add("VAEDecode")];
  document.execute(connect(ROOT, { node: latent, slot: 0 }, { node: sampler, input: "latent_image" }));
  document.execute(connect(ROOT, { node: sampler, slot: 0 }, { node: decode, input: "samples" }));
  document.execute(setWidget(ROOT, sampler, "steps", 7));
  const inner = document.execute(makeSubgraph(ROOT, [latent], "Size"));
  const instance = document.execute(makeSubgraph(ROOT, [sampler, inner], "Draw"));
  return { document, instance, sampler };
}

const kinds = (document: GraphDocument): string[] => Object.values(toPrompt(document.state, goldenDefs).prompt).map(({ class_type }) => class_type).sort();

describe("blueprints", () => {
  test("hold one instance with all that is in it and nothing of what is around it", () => {
    const { document, instance } = begun();
    const file = blueprintOf(document.state, ROOT, instance, goldenDefs, "Two steps");
    const { state } = openJson(file, goldenDefs);
    const [node] = [...(state.graphs.get(ROOT)?.nodes.values() ?? [])];
    expect(state.graphs.get(ROOT)?.nodes.size).toBe(1);
    expect(state.graphs.get(ROOT)?.links.size).toBe(0);
    expect(node?.pos).toEqual([0, 0]);
    expect(state.graphs.get(node?.type ?? "")?.name).toBe("Two steps");
    expect(state.graphs.size).toBe(3);
  });

  test("come into another workflow in one step, share what is the same, and stand beside what is not", () => {
    const { document, instance, sampler } = begun();
    const blueprint = readBlueprint(blueprintOf(document.state, ROOT, instance, goldenDefs, "Draw"), goldenDefs);
    const other = new GraphDocument(goldenDefs);
    const empty = serialize(other.state, goldenDefs);
    const id = other.execute(insertBlueprint(ROOT, blueprint, [100, 50]));
    expect(other.graph(ROOT).nodes.get(id)?.pos).toEqual([100, 50]);
    expect(kinds(other)).toEqual(["EmptyLatentImage", "KSampler"]);
    other.execute(insertBlueprint(ROOT, blueprint, [400, 50]));
    expect(other.state.graphs.size).toBe(3);
    const type = other.graph(ROOT).nodes.get(id)?.type ?? "";
    other.execute(setWidget(type, sampler, "steps", 30)); // the definition is another one now
    const third = other.execute(insertBlueprint(ROOT, blueprint, [700, 50]));
    expect(other.state.graphs.size).toBe(5);
    const fresh = other.state.graphs.get(other.graph(ROOT).nodes.get(third)?.type ?? "");
    expect(fresh?.nodes.get(sampler)?.widgets.steps).toBe(7);
    expect([...(fresh?.nodes.values() ?? [])].filter((node) => other.state.graphs.has(node.type))).toHaveLength(1);
    for (let step = 0; step < 4; step += 1) other.undo();
    expect(serialize(other.state, goldenDefs)).toEqual({ ...empty, last_node_id: serialize(other.state, goldenDefs).last_node_id });
  });

  test("a file without a subgraph says so", () => {
    expect(() => readBlueprint({ nodes: [{ id: 1, type: "KSampler" }], links: [] }, goldenDefs)).toThrow("no-subgraph");
  });
});
