/** Commands on a subgraph's own inputs and outputs. Its instances follow: they have slots by name and outputs by number. */
import type { Command } from "../document";
import type { Draft } from "../draft";
import { linksFrom, linksTo } from "../queries";
import { reconcileInputs, reconcileOutputs } from "../slots";
import type { BoundarySlot, GraphId, Link, Node } from "../types";
import { BOUNDARY_INPUT, BOUNDARY_OUTPUT } from "../types";
import { without } from "../values";
import { cutLink } from "./wiring";

export type Side = "input" | "output";

/** Add an input or output. @returns its number. */
export function addSlot(draft: Draft, graph: GraphId, side: Side, name: string, type: string): number {
  const slots = slotsOf(draft, graph, side);
  const wanted = name === "" || name === "*" ? type.toLowerCase() : name;
  let free = wanted;
  for (let number = 1; slots.some((slot) => slot.name === free); number += 1) free = `${wanted}_${number}`;
  setSlots(draft, graph, side, [...slots, { id: crypto.randomUUID(), name: free, type, rest: {} }]);
  return slots.length;
}

/** What instances show; links and values, which go by name, stay. An empty label gives the name back. */
export function labelSlot(graph: GraphId, side: Side, index: number, label: string): Command {
  return {
    label: side === "input" ? "Rename the input" : "Rename the output",
    apply(draft) {
      const slots = slotsOf(draft, graph, side);
      const slot = slots[index];
      if (!slot) throw new RangeError("There is no such slot.");
      const { label: _before, ...plain } = slot;
      const named: BoundarySlot = label === "" || label === slot.name ? plain : { ...plain, label };
      setSlots(draft, graph, side, slots.map((each, at) => (at === index ? named : each)));
      for (const [level, node] of instances(draft, graph)) {
        const relabel = <Slot extends { readonly label?: string }>(each: Slot): Slot => {
          const { label: _old, ...rest } = each;
          return (named.label === undefined ? rest : { ...rest, label: named.label }) as Slot;
        };
        if (side === "input") draft.updateNode(level, node.id, { inputs: node.inputs.map((each) => (each.name === slot.name ? relabel(each) : each)) });
        else draft.updateNode(level, node.id, { outputs: node.outputs.map((each, at) => (at === index ? relabel(each) : each)) });
      }
    },
  };
}

/** With the links inside and those of all instances. */
export function removeSlot(graph: GraphId, side: Side, index: number): Command {
  return {
    label: side === "input" ? "Remove the input" : "Remove the output",
    apply(draft) {
      const slots = slotsOf(draft, graph, side);
      const slot = slots[index];
      if (!slot) throw new RangeError("There is no such slot.");
      if (side === "input") renumber(draft, graph, [...linksFrom(draft.graph(graph), BOUNDARY_INPUT)], index);
      else for (const link of endsAt(draft, graph, slot.id)) cutLink(draft, graph, link.id);
      for (const [level, node] of instances(draft, graph)) {
        if (side === "output") {
          renumber(draft, level, [...linksFrom(draft.graph(level), node.id)], index);
          draft.updateNode(level, node.id, { outputs: node.outputs.filter((_, at) => at !== index) });
          continue;
        }
        for (const link of linksTo(draft.graph(level), node.id)) if (link.to.input === slot.name) cutLink(draft, level, link.id);
        const { inputs } = draft.node(level, node.id);
        draft.updateNode(level, node.id, { inputs: inputs.filter((each) => each.name !== slot.name), widgets: without(node.widgets, [slot.name]) });
      }
      setSlots(draft, graph, side, slots.filter((_, at) => at !== index));
    },
  };
}

/** Links of one number go; those of higher ones move down. */
function renumber(draft: Draft, graph: GraphId, links: readonly Link[], index: number): void {
  for (const link of links) {
    if (link.from.slot === index) cutLink(draft, graph, link.id);
    else if (link.from.slot > index) draft.putLink(graph, { ...link, from: { ...link.from, slot: link.from.slot - 1 } });
  }
}

/** Links inside that end at an output of the subgraph. */
export function endsAt(draft: Draft, graph: GraphId, slot: string): readonly Link[] {
  return [...draft.graph(graph).links.values()].filter(({ to }) => to.node === BOUNDARY_OUTPUT && to.input === slot);
}

function slotsOf(draft: Draft, graph: GraphId, side: Side): readonly BoundarySlot[] {
  const level = draft.graph(graph);
  return side === "input" ? level.inputs : level.outputs;
}

function setSlots(draft: Draft, graph: GraphId, side: Side, slots: readonly BoundarySlot[]): void {
  draft.setMeta(graph, side === "input" ? { inputs: slots } : { outputs: slots });
}

function instances(draft: Draft, type: GraphId): readonly (readonly [GraphId, Node])[] {
  return [...draft.state().graphs].flatMap(([id, { nodes }]) => [...nodes.values()].filter((node) => node.type === type).map((node) => [id, node] as const));
}

/** Give all instances the slots of their definition: after something was wired to its boundary. */
export function followBoundary(draft: Draft, graph: GraphId): void {
  for (const [level, node] of instances(draft, graph)) {
    const def = draft.defs.of(draft.state(), graph);
    if (!def) return;
    const inputs = reconcileInputs(node.inputs, def, (key) => node.widgets[key], () => true);
    draft.updateNode(level, node.id, { inputs, outputs: reconcileOutputs(node.outputs, def) });
  }
}
