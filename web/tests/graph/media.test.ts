import { deflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { JsonError, ROOT, WorkflowError, openFile, readPngTexts } from "../../src/graph";
import { goldenDefs } from "./golden";

const text = (value: string): Buffer => Buffer.from(value, "utf8");
const zero = Buffer.from([0]);

function chunk(type: string, body: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  const sum = Buffer.alloc(4); // readers of texts need no checksum
  return Buffer.concat([length, text(type), body, sum]);
}

function png(...chunks: Buffer[]): Uint8Array {
  const head = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return new Uint8Array(
    Buffer.concat([head, chunk("IHDR", Buffer.alloc(13)), ...chunks, chunk("IEND", Buffer.alloc(0))]),
  );
}

const plain = (key: string, value: string): Buffer => chunk("tEXt", Buffer.concat([text(key), zero, text(value)]));
const packed = (key: string, value: string): Buffer =>
  chunk("zTXt", Buffer.concat([text(key), zero, zero, deflateSync(text(value))]));
const international = (key: string, value: string, pack: boolean): Buffer =>
  chunk(
    "iTXt",
    Buffer.concat([
      text(key),
      zero,
      Buffer.from([pack ? 1 : 0, 0]),
      text("en"),
      zero,
      text("Schlüssel"),
      zero,
      pack ? deflateSync(text(value)) : text(value),
    ]),
  );

describe("texts in a PNG", () => {
  test("are read from every kind of chunk", async () => {
    const texts = await readPngTexts(
      png(plain("a", "1"), packed("b", "2"), international("c", "ü", false), international("d", "日本", true)),
    );
    expect([...texts]).toEqual([
      ["a", "1"],
      ["b", "2"],
      ["c", "ü"],
      ["d", "日本"],
    ]);
  });

  test("in Latin-1 are read as that", async () => {
    const texts = await readPngTexts(png(chunk("tEXt", Buffer.concat([text("k"), zero, Buffer.from([0xfc])]))));
    expect(texts.get("k")).toBe("ü");
  });

  test("that are broken or cut off hide no others", async () => {
    const broken = chunk("zTXt", Buffer.concat([text("x"), zero, zero, Buffer.from([1, 2, 3])]));
    const whole = png(broken, chunk("tEXt", text("no zero")), plain("a", "1"), plain("z", "9"));
    expect([...(await readPngTexts(whole))]).toEqual([
      ["a", "1"],
      ["z", "9"],
    ]);
    expect([...(await readPngTexts(whole.subarray(0, whole.length - 20)))]).toEqual([["a", "1"]]);
  });

  test("of what is no PNG are none", async () => {
    expect((await readPngTexts(new Uint8Array([1, 2, 3]))).size).toBe(0);
  });
});

describe("a file that is opened", () => {
  const workflow = '{"nodes":[{"id":4,"type":"Note","widgets_values":["hi"]}],"links":[]}';
  const prompt = '{"9":{"class_type":"SaveImage","inputs":{}}}';
  const ids = async (bytes: Uint8Array): Promise<unknown[]> => [
    ...((await openFile(bytes, goldenDefs)).state.graphs.get(ROOT)?.nodes.keys() ?? []),
  ];

  test("may be a workflow, a prompt or a picture with either; a picture's workflow comes first", async () => {
    expect(await ids(new Uint8Array(text(workflow)))).toEqual([4]);
    expect(await ids(new Uint8Array(text(prompt)))).toEqual([9]);
    expect(await ids(png(plain("prompt", prompt), international("workflow", workflow, true)))).toEqual([4]);
    expect(await ids(png(plain("prompt", prompt)))).toEqual([9]);
    expect(
      await ids(png(plain("workflow", "{broken"), plain("prompt", '{"9":{"class_type":"X","inputs":{"a":NaN}}}'))),
    ).toEqual([9]);
  });

  test("and has nothing for us is told of in words", async () => {
    await expect(openFile(png(), goldenDefs)).rejects.toThrow(WorkflowError);
    await expect(openFile(new Uint8Array([0xff, 0xfe, 0xfd]), goldenDefs)).rejects.toThrow("neither");
    await expect(openFile(new Uint8Array(text("{")), goldenDefs)).rejects.toThrow(JsonError);
    await expect(openFile(new Uint8Array(text("[1]")), goldenDefs)).rejects.toThrow(WorkflowError);
  });
});
