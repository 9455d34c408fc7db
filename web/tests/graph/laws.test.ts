/** Laws that hold for any sequence of commands. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type DocumentState,
  GraphDocument,
  parseWorkflow,
  serialize,
  toPrompt,
} from "../../src/graph";
import { type Dice, plain, play, sequences } from "./dice";
import { goldenDefs, workflows } from "./golden";

/** The same, some steps joined to one. */
function playInParts(document: GraphDocument, steps: readonly Dice[], part: number): void {
  for (let at = 0; at < steps.length; at += part)
    document.transaction("part", () => play(document, steps.slice(at, at + part)));
}

const starts: readonly [string, () => DocumentState | undefined][] = [
  ["an empty document", () => undefined],
  ["an official workflow", () => parseWorkflow(workflows.sdxl_revision_text_prompts ?? null, goldenDefs).state],
  ["a workflow of subgraphs", () => parseWorkflow(workflows.image_flux2 ?? null, goldenDefs).state],
];

describe.each(starts)("from %s", (_name, start) => {
  const fresh = (): GraphDocument => new GraphDocument(goldenDefs, start(), { now: () => 0 });

  test("undoing everything leads back to the start, redoing everything to the end", () => {
    fc.assert(
      fc.property(sequences, fc.constantFrom(1, 3, 40), (steps, part) => {
        const document = fresh();
        const first = plain(document.state);
        if (part === 1) play(document, steps);
        else playInParts(document, steps, part);
        const last = plain(document.state);
        while (document.undo());
        expect(plain(document.state)).toEqual(first);
        while (document.redo());
        expect(plain(document.state)).toEqual(last);
      }),
      { numRuns: 60 },
    );
  });

  test("every wire ends in the slot that names it, and every slot's wire is there", () => {
    fc.assert(
      fc.property(sequences, (steps) => {
        const document = fresh();
        play(document, steps);
        const graph = document.graph();
        for (const link of graph.links.values()) {
          expect(graph.nodes.has(link.from.node)).toBe(true);
          expect(
            graph.nodes
              .get(link.to.node)
              ?.inputs.filter((slot) => slot.link === link.id)
              .map(({ name }) => name),
          ).toEqual([link.to.input]);
        }
        for (const node of graph.nodes.values()) {
          for (const slot of node.inputs)
            if (slot.link !== null) expect(graph.links.get(slot.link)?.to.node).toBe(node.id);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("saving and opening changes neither what is saved nor what is run", () => {
    fc.assert(
      fc.property(sequences, (steps) => {
        const document = fresh();
        play(document, steps);
        const saved = serialize(document.state, goldenDefs);
        const { state } = parseWorkflow(saved, goldenDefs);
        expect(toPrompt(state, goldenDefs, { random: () => 0 }).prompt).toEqual(
          toPrompt(document.state, goldenDefs, { random: () => 0 }).prompt,
        );
        const { state: again } = parseWorkflow(serialize(state, goldenDefs), goldenDefs);
        expect(serialize(again, goldenDefs)).toEqual(serialize(state, goldenDefs));
      }),
      { numRuns: 60 },
    );
  });

  test("a step that is rolled back leaves nothing", () => {
    fc.assert(
      fc.property(sequences, (steps) => {
        const document = fresh();
        const first = plain(document.state);
        document.begin("drag");
        play(document, steps);
        document.rollback();
        expect(plain(document.state)).toEqual(first);
        expect(document.canUndo).toBe(false);
      }),
      { numRuns: 30 },
    );
  });
});
