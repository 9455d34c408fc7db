/** Points on links, as files of the field have them: read, moved, taken away, written back; the prompt does not know them. */
import { describe, expect, it } from "vitest";
import { Layout } from "../../src/canvas/layout";
import { Routes, distanceTo } from "../../src/canvas/routes";
import { GraphDocument, ROOT, movePoint, openJson, parseJson, pointsOf, pointsOn, removePoint, serialize, stringifyJson, toPrompt } from "../../src/graph";
import { goldenDefs as defs, workflows } from "./golden";

function bent() {
  const plain = serialize(openJson(workflows.default ?? Object.values(workflows)[0]!, defs).state, defs) as Record<string, any>;
  const [id] = plain.links[0] as [number];
  const reroutes = [{ id: 1, pos: [500, -200], linkIds: [id] }, { id: 2, parentId: 1, pos: { 0: 700, 1: -260 }, linkIds: [id] }, { id: 3, pos: "nowhere", linkIds: [id] }];
  const file = { ...plain, extra: { ...plain.extra, reroutes, linkExtensions: [{ id, parentId: 2 }] } };
  const document = new GraphDocument(defs, openJson(parseJson(stringifyJson(file)), defs).state);
  return { document, id, file, link: () => document.graph().links.get(id)! };
}

describe("points on a link", () => {
  it("are passed in their order, and the thread is where they are", () => {
    const { document, link } = bent();
    expect(pointsOn(document.graph(), link()).map(({ id, pos }) => [id, ...pos])).toEqual([[1, 500, -200], [2, 700, -260]]);
    const layout = new Layout(document, () => ROOT);
    layout.rebuild();
    const way = new Routes(layout).of(link())!.way;
    for (const { pos } of pointsOf(document.graph()).values()) expect(distanceTo(way, pos)).toBeLessThan(1);
  });

  it("are moved and taken away as steps, and change nothing that is sent", () => {
    const { document, id, link } = bent();
    const prompt = stringifyJson(toPrompt(document.state, defs).prompt);
    document.execute(movePoint(ROOT, 1, [40, 50]));
    expect(pointsOf(document.graph()).get(1)?.pos).toEqual([40, 50]);
    document.execute(removePoint(ROOT, 1));
    expect(pointsOn(document.graph(), link()).map((point) => point.id)).toEqual([2]);
    document.execute(removePoint(ROOT, 2));
    expect(link().rest).toEqual({});
    expect(stringifyJson(toPrompt(document.state, defs).prompt)).toBe(prompt);
    for (let step = 0; step < 3; step += 1) document.undo();
    const written = serialize(document.state, defs) as Record<string, any>;
    expect(written.extra.linkExtensions).toEqual([{ id, parentId: 2 }]);
    expect(written.extra.reroutes[0].pos).toEqual([500, -200]);
  });

  it("that name each other in a circle end", () => {
    const { document, link } = bent();
    document.execute({ label: "", apply: (draft) => draft.setMeta(ROOT, { rest: { extra: { reroutes: [{ id: 1, parentId: 2, pos: [0, 0] }, { id: 2, parentId: 1, pos: [9, 9] }] } } }) });
    expect(pointsOn(document.graph(), link())).toHaveLength(2);
  });
});
