/** Real files of every kind that carries a workflow (carriers/README.md): each opens, cut off anywhere it does no harm. */
import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { NothingCarried, ROOT, openFile } from "../../src/graph";
import { kindOf, readTexts } from "../../src/graph/media/texts";
import { goldenDefs as defs } from "./golden";

const folder = new URL("./carriers/", import.meta.url);
const names = readdirSync(folder).filter((name) => !name.endsWith(".md"));
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, folder)));

describe("a file that carries a workflow", () => {
  it.each(names)("%s opens, with its letters whole", async (name) => {
    const { state } = await openFile(read(name), defs);
    expect(state.graphs.get(ROOT)?.nodes.get(7)?.widgets).toEqual({ text: "carried ü" });
  });

  it.each(names)("%s that is cut off carries nothing, or what came before", async (name) => {
    const whole = read(name);
    for (let end = 4; end < Math.min(whole.length, 1300); end += 7) {
      const part = whole.slice(0, end);
      const kind = kindOf(part);
      if (kind) expect(await readTexts(part, kind)).toBeInstanceOf(Map);
    }
  });

  it.each(names.filter((name) => !/svg|latent|glb/.test(name)))("%s without its texts says that it carries none", async (name) => {
    const bytes = read(name);
    for (let at = 0; at < bytes.length - 8; at += 1) if (["workflow", "prompt"].some((word) => [...word].every((letter, index) => (bytes[at + index] ?? 0) === letter.charCodeAt(0) || (bytes[at + index] ?? 0) === letter.toUpperCase().charCodeAt(0)))) bytes[at] = 0x78;
    await expect(openFile(bytes, defs)).rejects.toBeInstanceOf(NothingCarried);
  });
});
