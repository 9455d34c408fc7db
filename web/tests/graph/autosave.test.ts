import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  Autosave,
  EditorView,
  GraphDocument,
  ROOT,
  type TextStorage,
  addNode,
  restoreSaved,
  setWidget,
} from "../../src/graph";
import { goldenDefs } from "./golden";

class Shelf implements TextStorage {
  readonly texts = new Map<string, string>();
  writes = 0;
  get = async (key: string): Promise<string | undefined> => this.texts.get(key);
  remove = async (key: string): Promise<void> => void this.texts.delete(key);
  set = async (key: string, text: string): Promise<void> => {
    this.writes += 1;
    this.texts.set(key, text);
  };
}

let shelf: Shelf;
let document: GraphDocument;
let view: EditorView;

beforeEach(() => {
  vi.useFakeTimers();
  [shelf, document, view] = [new Shelf(), new GraphDocument(goldenDefs), new EditorView()];
});
afterEach(() => void vi.useRealTimers());

test("work and view come back after a reload", async () => {
  const autosave = new Autosave(document, view, { storage: shelf, key: "tab", about: () => ({ name: "cat" }) });
  const id = document.execute(addNode(ROOT, "KSampler", [5, 6]));
  document.execute(setWidget(ROOT, id, "seed", 2n ** 63n));
  view.setCamera({ offset: [10, 20], scale: 0.5 });
  await vi.advanceTimersByTimeAsync(1000);
  const saved = await restoreSaved(shelf, "tab", goldenDefs);
  expect(saved?.state.graphs.get(ROOT)?.nodes.get(id)).toMatchObject({ pos: [5, 6], widgets: { seed: 2n ** 63n } });
  expect(saved).toMatchObject({ camera: { offset: [10, 20], scale: 0.5 }, scope: ROOT, about: { name: "cat" } });
  await autosave.stop();
});

test("many changes are one write, and a choice of nodes is none", async () => {
  const autosave = new Autosave(document, view, { storage: shelf, key: "tab", delayMs: 100 });
  for (let count = 0; count < 20; count += 1) document.execute(addNode(ROOT, "Note", [0, 0]));
  await vi.advanceTimersByTimeAsync(1000);
  view.select([1]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(shelf.writes).toBe(1);
  await autosave.stop();
});

test("what waits is written when asked", async () => {
  const autosave = new Autosave(document, view, { storage: shelf, key: "tab", delayMs: 60000 });
  document.execute(addNode(ROOT, "Note", [0, 0]));
  await autosave.flush();
  expect(shelf.writes).toBe(1);
  await autosave.stop();
  document.execute(addNode(ROOT, "Note", [0, 0]));
  await vi.advanceTimersByTimeAsync(100000);
  expect(shelf.writes).toBe(1);
});

test("a full storage is told of and stops nothing", async () => {
  const errors: unknown[] = [];
  shelf.set = async () => Promise.reject(new Error("full"));
  const autosave = new Autosave(document, view, { storage: shelf, key: "tab", onError: (error) => errors.push(error) });
  document.execute(addNode(ROOT, "Note", [0, 0]));
  await vi.advanceTimersByTimeAsync(1000);
  expect(errors).toHaveLength(1);
  await autosave.stop();
});

test("nothing, or nothing readable, is restored as nothing", async () => {
  shelf.texts.set("cut", '{"workflow": {"nodes": [');
  shelf.texts.set("odd", "[]");
  expect([
    await restoreSaved(shelf, "none", goldenDefs),
    await restoreSaved(shelf, "cut", goldenDefs),
    await restoreSaved(shelf, "odd", goldenDefs),
  ]).toEqual([undefined, undefined, undefined]);
});
