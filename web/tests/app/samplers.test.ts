/** Samplers are found by what a person wants, from the very table that the server serves. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { SamplerTable } from "../../src/client";
import { catalogueOf, costOf, inShort, noiseOf, paperOf, samplersOf, schedulesOf, wanted } from "../../src/popups/sampler-search";

const table = JSON.parse(readFileSync(new URL("../../../server/samplers.json", import.meta.url), "utf8")) as SamplerTable;
const found = (letters: string): string[] => wanted(samplersOf(table), letters).map(({ about }) => about.name);
const row = (name: string) => table.samplers.find((about) => about.name === name)!;

describe("words for what a sampler should do", () => {
  it.each([
    ["few steps", "uni_pc"],
    ["few st", "uni_pc"],
    ["sharp", "dpmpp_2m"],
    ["reproducible", "dpmpp_2m"],
    ["fast", "euler"],
    ["LCM", "lcm"],
    ["inpaint", "ddim"],
    ["turbo", "lcm"],
    ["karras et al", "euler"],
  ])("find by %j %s first", (letters, name) => expect(found(letters)[0]).toBe(name));

  it("find without noise only those that measure so", () => {
    const names = wanted(samplersOf(table), "no noise").filter(({ value }) => value > 60).map(({ about }) => about);
    expect(names.length).toBeGreaterThan(15);
    expect(names.every((about) => noiseOf(about) === "no noise")).toBe(true);
  });

  it("put rows that answer two wishes at once before those that answer one", () => {
    expect(found("fast sharp")[0]).toBe("dpmpp_2m");
  });

  it("never stand before a name that begins with the letters", () => {
    for (const { name } of table.samplers) expect(found(name)[0]).toBe(name);
    expect(found("dpmpp_2m_s")[0]).toBe("dpmpp_2m_sde");
    expect(found("sde")[0]).toContain("sde");
  });

  it("find schedules too, and nothing for nonsense", () => {
    expect(wanted(schedulesOf(table), "detail")[0]?.about.name).toBe("karras");
    expect(wanted(schedulesOf(table), "turbo")[0]?.about.name).toBe("sgm_uniform");
    expect(found("qqzzw")).toEqual([]);
  });
});

describe("a list of options", () => {
  it("is known as samplers or schedules by its names", () => {
    expect(catalogueOf(table, table.samplers.map(({ name }) => name))?.rows).toBe(table.samplers);
    expect(catalogueOf(table, ["simple", "karras", "normal", "beta", "a pack's"])?.rows).toBe(table.schedules);
    expect(catalogueOf(table, ["midpoint", "heun"])).toBeUndefined();
    expect(catalogueOf(undefined, ["euler"])).toBeUndefined();
  });
});

describe("facts of a row", () => {
  it("are short", () => {
    expect([costOf(row("heun")), noiseOf(row("heun")), paperOf(row("heun"))]).toEqual(["2 calls", "no noise", "Karras et al. 2022"]);
    expect([costOf(row("dpm_adaptive")), paperOf(row("dpm_adaptive"))]).toEqual(["own pace", "Lu et al. 2022"]);
    expect(inShort(row("heun").purpose)).toBe("Accurate and steady");
    expect(paperOf(table.schedules[0]!)).toBe("");
    for (const about of table.samplers) expect(inShort(about.purpose).length).toBeLessThan(110);
    for (const about of table.samplers) expect(paperOf(about).length).toBeLessThan(34);
  });
});
