/** Names of embeddings and LoRAs are offered where a prompt can take them, and written as prompts write them. */
import { describe, expect, it } from "vitest";
import { completed, completionsAt } from "../../src/widgets/completion";

const known = { embeddings: ["easynegative", "styles/inkwash", "badhands_v4", "embroidery"], loras: ["detail_tweaker", "anime/lines.v2"] };

function after(written: string, pick = 0, rest = ""): string | undefined {
  const text = written + rest;
  const asked = completionsAt(text, written.length, known);
  const choice = asked?.found[pick];
  return asked && choice ? completed(text, written.length, asked, choice).text : undefined;
}

describe("what is offered", () => {
  it.each([
    ["a cat, embedding:eas", "a cat, embedding:easynegative"],
    ["(embedding:ink", "(embedding:styles/inkwash"],
    ["emb:bad", "embedding:badhands_v4"],
    ["blurry, easyn", "blurry, embedding:easynegative"],
    ["an apple <lora:det", "an apple <lora:detail_tweaker:1>"],
    ["<lora:lin", "<lora:anime/lines.v2:1>"],
    ["<l", "<lora:detail_tweaker:1>"],
  ])("after %j the first makes it %j", (written, text) => expect(after(written)).toBe(text));

  it("what follows the caret stays", () => {
    expect(after("embedding:eas", 0, ", blurry")).toBe("embedding:easynegative, blurry");
    expect(after("<lora:det", 0, "> and")).toBe("<lora:detail_tweaker:1> and");
  });

  it("nothing in plain words, after few letters, or where nothing fits", () => {
    for (const written of ["a red apple", "ea", "embedding:zzz", "a < b", "5:4", "<lora:detail_tweaker:1>", ""]) expect(after(written), written).toBeUndefined();
  });

  it("all embeddings when they are asked for by a key", () => {
    expect(completionsAt("a cat, ", 7, known, true)?.found.map(({ name }) => name)).toEqual(known.embeddings);
    expect(completionsAt("a cat, ", 7, known)).toBeUndefined();
  });
});
