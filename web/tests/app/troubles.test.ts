/** What a workflow wants that is not here. */
import { describe, expect, it } from "vitest";
import { countOf, missingIn, nearest, saidOf } from "../../src/app/troubles";
import { GraphDocument, Mode, NodeDefs, ROOT, addNode, openJson, setMode, setWidgets } from "../../src/graph";
import { goldenDefs as defs } from "../graph/golden";

function checkpoint(options: readonly string[]) {
  const def = defs.get("CheckpointLoaderSimple")!;
  const inputs = def.inputs.map((input) => (input.widget?.kind === "combo" ? { ...input, widget: { ...input.widget, options } } : input));
  return new NodeDefs([...[...defs.all()].filter((one) => one.name !== def.name), { ...def, inputs }]);
}

describe("what is not here", () => {
  it("names types by pack once, with all their places, subgraphs' own among them", () => {
    const node = (id: number, type: string, properties = {}) => ({ id, type, pos: [0, 0], size: [200, 80], inputs: [], outputs: [], properties, widgets_values: [] });
    const inner = { id: "11111111-1111-4111-8111-111111111111", name: "Inner", nodes: [node(7, "Strange")], links: [], inputs: [], outputs: [], groups: [], state: {} };
    const file = { nodes: [node(1, "Strange", { cnr_id: "strange-pack", ver: "1.2.0" }), node(2, "Strange"), node(3, inner.id), node(4, "Note")], links: [], definitions: { subgraphs: [inner] }, version: 0.4 };
    const { unknown, missing } = missingIn(openJson(file, defs).state, defs);
    expect(unknown).toHaveLength(1);
    expect(unknown[0]).toMatchObject({ type: "Strange", pack: "strange-pack", version: "1.2.0" });
    expect(unknown[0]!.places.map(({ graph, node: id }) => [graph === ROOT, id])).toEqual([[true, 1], [true, 2], [false, 7]]);
    expect(missing).toEqual([]);
  });

  it("names files that lists do not have, what is most like them, and where they are to be had", () => {
    const own = checkpoint(["sd15/dream_shaper_8.safetensors", "flux-dev.safetensors"]);
    const document = new GraphDocument(own);
    const ids = [0, 1].map(() => document.execute(addNode(ROOT, "CheckpointLoaderSimple", [0, 0])));
    for (const id of ids) document.execute(setWidgets(ROOT, id, { ckpt_name: "dream_shaper_8.safetensors" }));
    const [found] = missingIn(document.state, own).missing;
    expect(found).toMatchObject({ value: "dream_shaper_8.safetensors", near: ["sd15/dream_shaper_8.safetensors"], url: undefined });
    expect(found!.places).toHaveLength(2);
    document.execute(setMode(ROOT, ids, Mode.Never));
    expect(missingIn(document.state, own).missing).toEqual([]);
  });

  it("wants no files for what is muted or bypassed, nor for what is inside of it", () => {
    const own = checkpoint([]);
    const loader = { id: 7, type: "CheckpointLoaderSimple", pos: [0, 0], size: [200, 80], inputs: [], outputs: [], properties: {}, widgets_values: ["a.safetensors"] };
    const inner = { id: "11111111-1111-4111-8111-111111111111", name: "Inner", nodes: [loader], links: [], inputs: [], outputs: [], groups: [], state: {} };
    const instance = (id: number, mode: number) => ({ ...loader, id, type: inner.id, mode, widgets_values: [] });
    const missing = (...nodes: readonly object[]) => missingIn(openJson({ nodes: [...nodes], links: [], definitions: { subgraphs: [inner] }, version: 0.4 } as never, own).state, own).missing.length;
    expect(missing({ ...loader, mode: Mode.Bypass })).toBe(0);
    expect(missing(instance(1, Mode.Never))).toBe(0);
    expect(missing(instance(1, Mode.Bypass))).toBe(0);
    expect(missing(instance(1, Mode.Bypass), instance(2, Mode.Always))).toBe(1);
  });

  it("offers no page that is none, and takes pages from the node", () => {
    const own = checkpoint([]);
    const file = (url: string) => ({ nodes: [{ id: 1, type: "CheckpointLoaderSimple", pos: [0, 0], size: [200, 80], inputs: [], outputs: [], properties: { models: [{ name: "a.safetensors", url, directory: "checkpoints" }] }, widgets_values: ["a.safetensors"] }], links: [], version: 0.4 });
    const missing = (url: string) => missingIn(openJson(file(url), own).state, own).missing[0];
    expect(missing("https://models.test/a")).toMatchObject({ url: "https://models.test/a", directory: "checkpoints" });
    expect(missing("javascript:alert(1)")).toMatchObject({ url: undefined });
  });

  it("says what a run said with the place to go to", () => {
    const document = new GraphDocument(defs);
    const id = document.execute(addNode(ROOT, "KSampler", [0, 0]));
    const fault = { kind: "required_input_missing", message: "Required input is missing", cause: "model", input: "model", traceback: [] };
    const said = saidOf(document.state, defs, [[id, [fault as never], undefined], [99, [fault as never], undefined]]);
    expect(said).toHaveLength(1);
    expect(said[0]).toMatchObject({ what: "model needs a thread.", place: { node: id, field: "model", title: "KSampler" } });
    expect(countOf({ unknown: [], missing: [], said })).toBe(1);
  });
});

it("the nearest option is the same file elsewhere, then shared words; nothing for what is unlike", () => {
  const options = ["xl/base_1.0.safetensors", "anime_xl_v3.safetensors", "anime_v2.safetensors"];
  expect(nearest("base_1.0.safetensors", options)[0]).toBe("xl/base_1.0.safetensors");
  expect(nearest("anime-xl-v2.safetensors", options)[0]).toMatch(/^anime/);
  expect(nearest("qqqq.ckpt", options)).toEqual([]);
});
