/** Real layouts by the library itself: nothing overlaps, threads go to the right, frames hold their nodes. */
import ELK from "elkjs";
import { describe, expect, it } from "vitest";
import { Layout } from "../../src/canvas/layout";
import { type Shape, elkGraph, placesOf } from "../../src/arrange/elk";
import { type Graph, GraphDocument, type NodeId, ROOT, groupNodes, parseWorkflow } from "../../src/graph";
import { goldenDefs as defs, workflows } from "../graph/golden";

const elk = new ELK();

async function arranged(name: string, work: (document: GraphDocument) => void = () => {}) {
  const document = new GraphDocument(defs, parseWorkflow(workflows[name] ?? null, defs).state);
  work(document);
  const layout = new Layout(document, () => ROOT);
  layout.rebuild();
  const graph = document.graph();
  const shape = (id: NodeId): Shape | undefined => {
    const box = layout.box(id);
    return box && { width: box.width, height: box.height, inputs: new Map(box.inputs.map(({ key, y }) => [String(key), y])), outputs: box.outputs.map(({ y }) => y) };
  };
  const places = placesOf(await elk.layout(elkGraph(graph, graph.nodes.keys(), shape)), graph, [100, 50]);
  const rects = [...places.nodes].map(([id, [x, y]]) => ({ id, x, y, width: shape(id)!.width, height: shape(id)!.height }));
  return { graph, places, rects };
}

function leftward(graph: Graph, rects: readonly { id: NodeId; x: number; width: number }[]): number {
  const byId = new Map(rects.map((rect) => [rect.id, rect]));
  return [...graph.links.values()].filter(({ from, to }) => {
    const [a, b] = [byId.get(from.node), byId.get(to.node)];
    return a && b && a.x + a.width > b.x;
  }).length;
}

describe("nodes that are arranged", () => {
  it.each(Object.keys(workflows).slice(0, 6))("%s", async (name) => {
    const { graph, rects, places } = await arranged(name);
    expect(rects).toHaveLength(graph.nodes.size);
    for (const [index, a] of rects.entries()) {
      for (const b of rects.slice(index + 1)) {
        const apart = a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
        expect(apart, `${a.id} and ${b.id} overlap`).toBe(true);
      }
    }
    expect(leftward(graph, rects)).toBe(0);
    for (const [id, [x, y, width, height]] of places.groups) {
      expect(width * height, `frame ${id}`).toBeGreaterThan(0);
      expect(Math.min(x, y)).toBeGreaterThanOrEqual(49);
    }
  });

  it("stay in their frame, which goes round them", async () => {
    const { places, rects } = await arranged(Object.keys(workflows)[0]!, (document) => {
      for (const id of [...document.graph().groups.keys()]) document.execute({ label: "", apply: (draft) => draft.dropGroup(ROOT, id) });
      document.execute(groupNodes(ROOT, [...document.graph().nodes.keys()].slice(0, 3)));
    });
    const [[x, y, width, height]] = [...places.groups.values()] as [[number, number, number, number]];
    const inside = rects.filter((rect) => rect.x >= x && rect.y >= y && rect.x + rect.width <= x + width && rect.y + rect.height <= y + height);
    expect(inside.length).toBeGreaterThanOrEqual(3);
  });
});
