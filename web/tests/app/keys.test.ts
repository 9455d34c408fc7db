/** Keys: what was pressed has one name, and what the browser keeps is not given away. */
import { describe, expect, it } from "vitest";
import { actionOn, isTaken, pressed } from "../../src/app/keys";

const event = (key: string, code: string, held: Partial<KeyboardEvent> = {}): KeyboardEvent => ({ key, code, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held }) as KeyboardEvent;

describe("the name of what is pressed", () => {
  it.each([
    [event("s", "KeyS", { ctrlKey: true }), "Mod+S"],
    [event("S", "KeyS", { shiftKey: true }), "Shift+S"],
    [event("?", "Slash", { shiftKey: true }), "?"],
    [event("ç", "KeyC", { altKey: true }), "Alt+C"],
    [event("Enter", "Enter", { ctrlKey: true, shiftKey: true }), "Mod+Shift+Enter"],
    [event(".", "Period"), "."],
  ])("%#", (pressing, name) => expect(pressed(pressing)).toBe(name));
});

it("keys of the browser and of fields are not given to actions, others are", () => {
  for (const keys of ["Escape", "Tab", "Mod+C", "Mod+V", "Mod+W", "ArrowUp", " "]) expect(isTaken(keys), keys).toBe(true);
  for (const keys of ["Shift+S", "Mod+Enter", "F2", "Alt+1", "K"]) expect(isTaken(keys), keys).toBe(false);
});

it("an action is found by any of its keys", () => {
  const actions = [{ id: "redo", label: "Redo", keys: "Mod+Shift+Z|Mod+Y", run: () => {} }, { id: "none", label: "None", keys: "", run: () => {} }];
  expect(actionOn("Mod+Y", actions)?.id).toBe("redo");
  expect(actionOn("Mod+K", actions)).toBeUndefined();
});
