/** Previews: the newest of a frame is shown, the first at once. */
import { expect, test, vi } from "vitest";
import { Previews } from "../../src/app/previews";

test("of many previews between two frames the newest alone becomes a picture, and a dropped node's none", async () => {
  const frames: (() => void)[] = [];
  vi.stubGlobal("requestAnimationFrame", (go: () => void) => frames.push(go));
  const made = vi.spyOn(URL, "createObjectURL");
  const previews = new Previews();
  const preview = (letter: string) => ({ node: "1", displayNode: "1", prompt: "p", mime: "text/plain", bytes: new TextEncoder().encode(letter) });
  const shown = async (): Promise<string> => (await fetch(previews.urls.get("1") ?? "")).text();
  expect(previews.take("1", preview("a"))).toBe(true);
  expect(await shown()).toBe("a");
  for (const letter of "bcd") expect(previews.take("1", preview(letter))).toBe(false);
  previews.take("2", preview("x"));
  previews.take("2", preview("y"));
  previews.drop("2");
  expect(frames.length).toBe(1);
  frames.pop()?.();
  expect(await shown()).toBe("d");
  expect([made.mock.calls.length, previews.urls.has("2")]).toEqual([3, false]);
  previews.end();
  vi.unstubAllGlobals();
});
