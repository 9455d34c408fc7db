/** The journal: whatever ends the page, the same document comes back. */
import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { beforeEach, expect, test, vi } from "vitest";
import {
  BrowserJournals,
  EditorView,
  GraphDocument,
  Journal,
  type JournalOptions,
  NodeDefs,
  ROOT,
  addNode,
  makeSubgraph,
  parseWorkflow,
  removeNodes,
  restoreJournal,
  restoreSaved,
  serialize,
  setWidget,
  stringifyJson,
} from "../../src/graph";
import type { JournalStore, Kept } from "../../src/graph/journal/store";
import { type Dice, commandFor, plain } from "./dice";
import { goldenDefs, workflows } from "./golden";

let factory: IDBFactory;
let store: BrowserJournals;
beforeEach(() => {
  factory = new IDBFactory();
  store = new BrowserJournals(factory, "journals");
});

interface Life {
  document: GraphDocument;
  view: EditorView;
  journal: Journal;
}

async function begin(document: GraphDocument, options: Partial<JournalOptions> = {}): Promise<Life> {
  await store.ready();
  const view = new EditorView();
  return { document, view, journal: new Journal(document, view, { store, key: "tab", ...options }) };
}

/** All there is to a document: state, steps back and forth. */
function whole(document: GraphDocument): unknown {
  const { past, future } = document.history;
  const steps = (list: typeof past) => list.map(({ label, batch }) => [label, batch]);
  return [plain(document.state), steps(past), steps(future)];
}

/** Numbers that are the same in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
}

/** `COMMANDS=100000 npm test -- tests/graph/journal.test.ts` for more, `SEED=7` for others. */
const COMMANDS = Number(process.env.COMMANDS ?? 10_000);

test("ten thousand commands with undo and redo, and the page killed at random: the same document each time", { timeout: 120_000 }, async () => {
  const random = seeded(Number(process.env.SEED ?? 6));
  const below = (end: number) => Math.floor(random() * end);
  let now = 0;
  const limits = { steps: 150, size: 1 << 30, entries: 70 };
  let { document, view, journal } = await begin(new GraphDocument(goldenDefs, parseWorkflow(workflows.basic_switch_node ?? null, goldenDefs).state, { now: () => now }), { limits });
  let kills = 0;
  for (let done = 0; done < COMMANDS; done += 1) {
    now += below(2000);
    act(document, below, done);
    const nodes = [...document.graph().nodes.keys()];
    if (below(4) === 0) view.select(nodes.slice(0, below(4)));
    if (below(3) === 0) await Promise.resolve(); // the task is over
    if (below(20) === 0) await new Promise((next) => setImmediate(next)); // the disk has had some time
    if (below(80) > 0) continue;
    await Promise.resolve();
    document.journal = () => undefined; // killed: what was asked of the browser was asked, all else is gone
    const chosen = [...view.selection.nodes].filter((id) => document.graph().nodes.has(id));
    const back = await restoreJournal(new BrowserJournals(factory, "journals"), "tab", goldenDefs);
    if (!back) throw new Error("Nothing came back.");
    // A snapshot holds the newest steps alone; undo may have gone back some way since.
    const steps = back.document.history.past.length;
    expect(steps).toBeGreaterThanOrEqual(Math.min(document.history.past.length, limits.steps - 2 * limits.entries));
    expect(differs(whole(back.document), whole(newest(document, steps)))).toBeUndefined();
    expect(back.view.nodes).toEqual(chosen);
    kills += 1;
    document = new GraphDocument(goldenDefs, back.document.state, { history: back.document.history, now: () => now });
    ({ view, journal } = await begin(document, { limits, kept: back.kept }));
    view.select(back.view.nodes);
  }
  expect(kills).toBeGreaterThan(COMMANDS / 120);
  await journal.stop();
});

function newest(document: GraphDocument, steps: number): GraphDocument {
  const { past, future } = document.history;
  return new GraphDocument(goldenDefs, document.state, { history: { past: steps === 0 ? [] : past.slice(-steps), future, open: null } });
}

/** Where two values differ first; undefined where they do not. */
function differs(one: unknown, other: unknown, path = ""): string | undefined {
  if (Object.is(one, other)) return undefined;
  if (typeof one !== "object" || typeof other !== "object" || !one || !other) return path || "whole";
  if (one instanceof Map && other instanceof Map) return differs([...one], [...other], path);
  const [left, right] = [one as Record<string, unknown>, other as Record<string, unknown>];
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const found = differs(left[key], right[key], `${path}/${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function act(document: GraphDocument, below: (end: number) => number, done: number): void {
  const kind = below(100);
  if (kind < 12) return void document.undo();
  if (kind < 22) return void document.redo();
  if (kind === 22) return document.seal();
  const dice = (): Dice => [below(100), below(9999), below(9999), below(9999)];
  const nodes = [...document.graph().nodes.keys()];
  if (nodes.length > 24) return document.execute(removeNodes(ROOT, nodes.slice(0, 8)));
  if (kind === 23 && nodes.length > 3 && below(3) === 0) {
    document.execute(makeSubgraph(ROOT, nodes.slice(-2), `sub ${done}`));
    return;
  }
  if (kind < 30) return transact(document, dice);
  const command = commandFor(document, dice());
  if (!command) return;
  if (kind === 30) document.executeQuietly(command);
  else document.execute(kind < 40 ? { ...command, coalesce: "same" } : command);
}

/** Many commands as one step, at times taken back. */
function transact(document: GraphDocument, dice: () => Dice): void {
  document.begin("many");
  for (let count = 0; count < 3; count += 1) {
    const command = commandFor(document, dice());
    if (command) document.execute(command);
  }
  if (dice()[1] % 4 === 0) document.rollback();
  else document.commit();
}

test("selection, camera, the graph on screen and facts beside come back", async () => {
  const about = () => ({ name: "cat" });
  const { document, view, journal } = await begin(new GraphDocument(goldenDefs), { about });
  const id = document.execute(addNode(ROOT, "KSampler", [5, 6]));
  document.execute(setWidget(ROOT, id, "seed", 2n ** 63n));
  const { graph } = document.execute(makeSubgraph(ROOT, [id], "Inside")) as unknown as { graph: string };
  const scope = graph ?? [...document.state.graphs.keys()].at(-1);
  view.enter(scope);
  view.select([id]);
  view.setCamera({ offset: [10, 20], scale: 0.5 });
  await journal.flush();
  const back = await restoreJournal(store, "tab", goldenDefs);
  expect(back?.view).toMatchObject({ scope, nodes: [id], camera: { offset: [10, 20], scale: 0.5 }, about: { name: "cat" } });
  expect(back?.document.graph(scope).nodes.get(id)).toMatchObject({ widgets: { seed: 2n ** 63n } });
  expect(back?.document.undoLabel).toBe(document.undoLabel);
});

test("a page that ends within a step has the step's commands, and can undo them", async () => {
  const { document } = await begin(new GraphDocument(goldenDefs));
  document.begin("drag");
  document.execute(addNode(ROOT, "Note", [0, 0]));
  await Promise.resolve();
  const back = await restoreJournal(store, "tab", goldenDefs);
  expect(back?.document.graph().nodes.size).toBe(1);
  expect(back?.document.undo()).toBe(true);
  expect(back?.document.graph().nodes.size).toBe(0);
  expect(back?.kept.whole).toBe(false);
});

test("what a power cut took from the middle ends the story there, and the journal goes on anew", async () => {
  const { document } = await begin(new GraphDocument(goldenDefs));
  for (let count = 0; count < 6; count += 1) {
    document.execute(addNode(ROOT, "Note", [count, 0]));
    await Promise.resolve();
  }
  const kept = await store.read("tab");
  const torn: JournalStore = { ...forwards(), read: async (): Promise<Kept> => ({ ...kept, entries: kept.entries.filter(([number]) => number !== 4) }) };
  const back = await restoreJournal(torn, "tab", goldenDefs);
  expect(back?.document.graph().nodes.size).toBe(3);
  expect(back?.kept).toEqual({ last: 6, whole: false });
  await (await begin(back?.document as GraphDocument, { kept: back?.kept })).journal.flush();
  expect((await restoreJournal(store, "tab", goldenDefs))?.document.graph().nodes.size).toBe(3);
});

/** The store, as a plain object of which parts can be replaced. */
function forwards(): JournalStore {
  return {
    ready: () => store.ready(),
    append: (...given) => store.append(...given),
    replace: (...given) => store.replace(...given),
    look: (...given) => store.look(...given),
    read: (key) => store.read(key),
    remove: (key) => store.remove(key),
  };
}

test("a full storage is told of once, stops nothing, and all is kept when there is room again", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const told: string[] = [];
  let full = false;
  const refuse = async (): Promise<void> => Promise.reject(new DOMException("no room", "QuotaExceededError"));
  const small: JournalStore = {
    ...forwards(),
    append: (...given) => (full ? refuse() : store.append(...given)),
    replace: (...given) => (full ? refuse() : store.replace(...given)),
    look: (...given) => (full ? refuse() : store.look(...given)),
  };
  const { document, journal } = await begin(new GraphDocument(goldenDefs), { store: small, onError: (error) => told.push(String(error)), onMended: () => told.push("mended") });
  document.execute(addNode(ROOT, "Note", [0, 0]));
  await journal.flush();
  full = true;
  for (let count = 0; count < 4; count += 1) {
    document.execute(addNode(ROOT, "Note", [0, 0]));
    await journal.flush();
  }
  expect(told).toEqual(["QuotaExceededError: no room"]);
  expect(document.graph().nodes.size).toBe(5);
  full = false;
  await vi.advanceTimersByTimeAsync(5000);
  await journal.flush();
  vi.useRealTimers();
  expect(told.at(-1)).toBe("mended");
  const back = await restoreJournal(store, "tab", goldenDefs);
  expect(whole(back?.document as GraphDocument)).toEqual(whole(document));
});

test("the journal stays small: snapshots take the place of entries, and old steps are dropped", async () => {
  const { document, journal } = await begin(new GraphDocument(goldenDefs), { limits: { entries: 20, steps: 30 } });
  const id = document.execute(addNode(ROOT, "KSampler", [0, 0]));
  for (let count = 0; count < 200; count += 1) {
    document.execute(setWidget(ROOT, id, "steps", count));
    await Promise.resolve();
  }
  await journal.flush();
  const { entries, snapshot } = await store.read("tab");
  expect(entries.length).toBeLessThanOrEqual(21);
  expect(snapshot?.history.past.length).toBeLessThanOrEqual(30);
  await store.remove("tab");
  expect(await store.read("tab")).toEqual({ entries: [], snapshot: undefined, view: undefined });
});

test("a node that was unknown is known after its pack came, and a journal of another form is read as a file", async () => {
  const without = new NodeDefs([...goldenDefs.all()].filter(({ name }) => name !== "KSampler"));
  const { state } = parseWorkflow(workflows.sdxl_revision_text_prompts ?? null, without);
  const { journal } = await begin(new GraphDocument(without, state));
  await journal.flush();
  const now = parseWorkflow(workflows.sdxl_revision_text_prompts ?? null, goldenDefs).state;
  const back = await restoreJournal(store, "tab", goldenDefs);
  expect(serialize(back?.document.state ?? state, goldenDefs)).toEqual(serialize(now, goldenDefs));
  expect(back?.kept.whole).toBe(false);
  const kept = await store.read("tab");
  const older: JournalStore = { ...forwards(), read: async () => ({ ...kept, snapshot: { ...kept.snapshot, format: 0, state: 7 } as never }) };
  const read = await restoreJournal(older, "tab", goldenDefs);
  expect(serialize(read?.document.state ?? state, goldenDefs)).toEqual(serialize(now, goldenDefs));
});

test("a document that was kept before there were journals is read", async () => {
  const workflow = workflows.basic_switch_node ?? null;
  const texts = new Map([
    ["tab", stringifyJson({ scope: "gone", about: { name: "cat" }, workflow })],
    ["cut", '{"workflow": {"nodes": ['],
  ]);
  const storage = { get: async (key: string) => texts.get(key), set: async () => undefined, remove: async () => undefined };
  const saved = await restoreSaved(storage, "tab", goldenDefs);
  expect(saved).toMatchObject({ scope: ROOT, about: { name: "cat" } });
  expect(saved?.state.graphs.get(ROOT)?.nodes.size).toBeGreaterThan(2);
  expect([await restoreSaved(storage, "none", goldenDefs), await restoreSaved(storage, "cut", goldenDefs)]).toEqual([undefined, undefined]);
});
