import { describe, expect, test } from "vitest";
import { fitting, panned, seen, toGraph, toScreen, zoomed } from "../../src/canvas/camera";
import { Grid } from "../../src/canvas/grid";
import { lookOf } from "../../src/canvas/kinds";
import { Layout } from "../../src/canvas/layout";
import { HEADER, ROW } from "../../src/canvas/node-box";
import { tintOf } from "../../src/canvas/tint";
import { type Camera, GraphDocument, ROOT, addNode, placeNodes, resizeNode, setCollapsed } from "../../src/graph";
import { score } from "../../src/popups/search";
import { goldenDefs as defs } from "../graph/golden";


function documentOf(...nodes: readonly (readonly [type: string, x: number, y: number, width: number, height: number])[]): GraphDocument {
  const document = new GraphDocument(defs);
  for (const [type, x, y, width, height] of nodes) {
    const id = document.execute(addNode(ROOT, type, [x, y]));
    document.execute(resizeNode(ROOT, id, [width, height]));
  }
  return document;
}

function layoutOf(document: GraphDocument): Layout {
  const layout = new Layout(document, () => ROOT);
  layout.rebuild();
  return layout;
}

describe("the camera", () => {
  const camera: Camera = { offset: [-120, 40], scale: 0.8 };

  test("a point goes to the screen and back", () => {
    expect(toGraph(camera, toScreen(camera, [33, -7]))).toEqual([33, -7]);
  });

  test("what is under the pointer stays there while zooming", () => {
    const at = [400, 300] as const;
    const before = toGraph(camera, at);
    const after = toGraph(zoomed(camera, 1.7, at), at);
    expect(after[0]).toBeCloseTo(before[0]);
    expect(after[1]).toBeCloseTo(before[1]);
  });

  test("a pan of screen pixels moves every point by them", () => {
    const [x, y] = toScreen(panned(camera, 10, -20), [5, 5]);
    expect([x, y]).toEqual([toScreen(camera, [5, 5])[0] + 10, toScreen(camera, [5, 5])[1] - 20]);
  });

  test("fitting shows all of it, never larger than life", () => {
    const [x, y, width, height] = seen(fitting([100, 100, 4000, 300], [1200, 800]), [1200, 800]);
    expect(x).toBeLessThan(100);
    expect(x + width).toBeGreaterThan(4100);
    expect(y).toBeLessThan(100);
    expect(y + height).toBeGreaterThan(400);
    expect(fitting([0, 0, 10, 10], [1200, 800]).scale).toBe(1);
  });
});

test("a grid finds what overlaps, after moves too", () => {
  const grid = new Grid<number>();
  grid.put(1, [0, 0, 100, 100]);
  grid.put(2, [2000, 2000, 100, 100]);
  expect(grid.query([50, 50, 10, 10])).toEqual(new Set([1]));
  grid.put(1, [-3000, 0, 100, 100]);
  expect(grid.query([50, 50, 10, 10])).toEqual(new Set());
  expect(grid.query([-5000, -5000, 20_000, 20_000])).toEqual(new Set([1, 2]));
  grid.remove(2);
  expect(grid.query([-5000, -5000, 20_000, 20_000])).toEqual(new Set([1]));
});

describe("layout", () => {
  test("a node that the file has too small grows to its need, and lower neighbours move in the view alone", () => {
    const document = documentOf(["KSampler", 0, 0, 300, 100], ["VAEDecode", 0, 140, 300, 60], ["VAEDecode", 400, 140, 300, 60]);
    const layout = layoutOf(document);
    const [sampler, below, beside] = [1, 2, 3].map((id) => layout.box(id));
    expect(sampler?.height).toBeGreaterThan(HEADER + 4 * ROW + 6 * 26);
    expect(below?.y).toBeGreaterThanOrEqual((sampler?.y ?? 0) + (sampler?.height ?? 0));
    expect(beside?.y).toBe(140 - HEADER);
    expect(document.graph().nodes.get(2)?.pos).toEqual([0, 140]);
    expect(document.graph().nodes.get(1)?.size).toEqual([300, 100]);
  });

  test("nodes that overlap in the file stay as they are", () => {
    const layout = layoutOf(documentOf(["KSampler", 0, 0, 300, 100], ["VAEDecode", 50, 40, 300, 60]));
    expect(layout.box(2)?.y).toBe(40 - HEADER);
  });

  test("a node that a person has placed is pushed by nothing", () => {
    const document = documentOf(["KSampler", 0, 0, 300, 100], ["VAEDecode", 0, 140, 300, 60]);
    const layout = layoutOf(document);
    document.subscribe((change) => layout.follow(change));
    layout.release([2]);
    document.execute(placeNodes(ROOT, [[2, [0, 150]]]));
    expect(layout.box(2)?.y).toBe(150 - HEADER);
  });

  test("a node below one that gets a picture makes room, wherever it was put", () => {
    const document = documentOf(["KSampler", 0, 0, 300, 320], ["VAEDecode", 0, 400, 300, 60]);
    let pictures = 0;
    const layout = new Layout(document, () => ROOT, (id) => ({ pictures: id === 1 ? pictures : 0, ratio: 1, error: 0 }));
    layout.rebuild();
    layout.release([1, 2]);
    pictures = 1;
    layout.remeasure([1]);
    const [above, below] = [layout.box(1), layout.box(2)];
    expect(below?.y).toBeGreaterThanOrEqual((above?.y ?? 0) + (above?.height ?? 0));
  });

  test("a collapsed node is its title, and its threads end there", () => {
    const document = documentOf(["KSampler", 0, 0, 300, 100]);
    document.execute(setCollapsed(ROOT, [1], true));
    const box = layoutOf(document).box(1);
    expect(box?.height).toBe(HEADER);
    expect(new Set(box?.inputs.map((port) => port.y))).toEqual(new Set([HEADER / 2]));
  });

  test("a drag moves boxes in the view until it ends", () => {
    const layout = layoutOf(documentOf(["VAEDecode", 0, 0, 300, 100]));
    layout.beginDrag([1]);
    layout.dragBy([600, 0]);
    expect(layout.rect(1)?.[0]).toBe(600);
    expect(layout.grid.query([650, 0, 10, 10])).toEqual(new Set([1]));
    layout.endDrag();
    expect(layout.rect(1)?.[0]).toBe(0);
  });
});

test("shape says the class of a type; packs' types get a colour of their own", () => {
  expect(lookOf("MODEL")).toEqual({ shape: "diamond", kind: "model" });
  expect(lookOf("CONDITIONING").shape).toBe("square");
  expect(lookOf("INT,FLOAT").kind).toBe("number");
  expect(lookOf("SEGS")).toEqual(lookOf("SEGS"));
});

test("greys tint nothing, colours by their hue alone", () => {
  expect(tintOf("#222")).toBeUndefined();
  expect(tintOf("red; background: url(x)")).toBeUndefined();
  expect(tintOf("#232")).toBe(tintOf("#2f7f2f"));
});

test("beginnings of names are found before what merely holds the letters", () => {
  expect(score("KSampler", "ksa")).toBeGreaterThan(score("VAE Decode KSampler", "ksa"));
  expect(score("CLIP Text Encode (Prompt)", "encode")).toBeGreaterThan(score("Reencoder", "encode"));
  expect(score("Load Image", "xyz")).toBe(0);
});
