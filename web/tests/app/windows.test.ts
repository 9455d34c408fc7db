/** Windows of one browser share a storage, and never a workflow. */
import { beforeEach, expect, test } from "vitest";
import { type Claims, Windows } from "../../src/app/windows";
import type { ListedStorage } from "../../src/graph";

class Shelf implements ListedStorage {
  readonly texts = new Map<string, string>();
  get = async (key: string) => this.texts.get(key);
  set = async (key: string, text: string) => void this.texts.set(key, text);
  remove = async (key: string) => void this.texts.delete(key);
  keys = async () => [...this.texts.keys()];
}

/** A window as a browser has it: a session of its own, and claims that end with it. */
class Opened {
  readonly held = new Set<string>();
  readonly windows: Windows;

  constructor(readonly session = new Map<string, string>()) {
    const claims: Claims = {
      take: async (name) => {
        if ([...open].some((other) => other.held.has(name))) return false;
        this.held.add(name);
        return true;
      },
    };
    const kept = { getItem: (key: string) => session.get(key) ?? null, setItem: (key: string, text: string) => void session.set(key, text) };
    this.windows = new Windows(shelf, claims, kept);
    open.add(this);
  }

  close(): void {
    open.delete(this);
  }
}

let shelf: Shelf;
let open: Set<Opened>;

beforeEach(() => {
  shelf = new Shelf();
  open = new Set();
});

test("a second window does not open what the first has open", async () => {
  const first = new Opened();
  expect(await first.windows.begin()).toEqual({ open: [], active: null, first: true });
  await first.windows.note({ open: ["a", "b"], active: "a" });
  const second = new Opened();
  expect(await second.windows.begin()).toEqual({ open: [], active: null, first: false });
  await second.windows.note({ open: ["c"], active: "c" });

  first.close(); // and is loaded again: it has its own
  expect(await new Opened(first.session).windows.begin()).toMatchObject({ open: ["a", "b"], active: "a" });
});

test("a copied window is another one", async () => {
  const first = new Opened();
  await first.windows.begin();
  await first.windows.note({ open: ["a"], active: "a" });
  expect((await new Opened(new Map(first.session)).windows.begin()).open).toEqual([]);
});

test("what windows that are gone have left comes back in the next, all of it and once", async () => {
  for (const id of ["a", "b"]) {
    const window = new Opened();
    await window.windows.begin();
    await window.windows.note({ open: [id], active: id });
    if (id === "a") continue;
    for (const other of [...open]) other.close();
  }
  const next = new Opened();
  expect([...(await next.windows.begin()).open].sort()).toEqual(["a", "b"]);
  expect((await new Opened().windows.begin()).open).toEqual([]);
});

test("the list of before windows were told apart is taken over", async () => {
  await shelf.set("tabs", JSON.stringify({ open: ["a"], active: "a" }));
  expect((await new Opened().windows.begin()).open).toEqual(["a"]);
  expect(await shelf.keys()).not.toContain("tabs");
});
