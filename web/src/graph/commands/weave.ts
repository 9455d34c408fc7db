/** A node put into threads: what flowed past it flows through it. */
import { withBoundary } from "../boundary";
import { compatible } from "../compatible";
import type { Command } from "../document";
import { linksFrom } from "../queries";
import type { Graph, GraphId, Link, LinkId, Node, NodeId } from "../types";
import { misfit } from "./links";
import { putLink } from "./wiring";

/** One way through a node. */
export interface Pair {
  readonly input: string;
  readonly output: number;
}

/**
 * Wire a node into a link, and into what goes beside it: a LoRA that is put into the model's thread takes the text encoder's
 * too, a ControlNet put into the positive prompt's takes the negative one's.
 * @param all whether every thread of the same output is meant. @returns false if nothing of the node fits the link.
 */
export function insertOnLink(graph: GraphId, node: NodeId, link: LinkId, all = false): Command<boolean> {
  return {
    label: "Insert on wire",
    apply(draft) {
      const level = draft.graph(graph);
      const [wire, middle] = [level.links.get(link), level.nodes.get(node)];
      const pair = wire && middle && fittingPair(level, wire, middle);
      if (!wire || !pair) return false;
      const alike = all ? [...linksFrom(level, wire.from.node, wire.from.slot)] : [wire];
      for (const each of [{ pair, wires: alike.filter(({ to }) => to.node !== node) }, ...beside(level, wire, middle, pair)]) {
        const [first] = each.wires;
        if (!first) continue;
        putLink(draft, graph, first.from, { node, input: each.pair.input });
        for (const { to } of each.wires) putLink(draft, graph, { node, slot: each.pair.output }, to);
      }
      return true;
    },
  };
}

/** Input and output by which a free node could sit on a wire; undefined if none fit. */
export function fittingPair(graph: Graph, wire: Link, node: Node): Pair | undefined {
  if (wire.from.node === node.id || wire.to.node === node.id) return undefined;
  const goal = withBoundary(graph).nodes.get(wire.to.node)?.inputs.find((slot) => slot.link === wire.id);
  if (!goal) return undefined;
  const inputs = node.inputs.filter(
    (slot) =>
      slot.link === null && slot.widget === undefined && !misfit(graph, wire.from, { node: node.id, input: slot.name }),
  );
  const outputs = node.outputs.flatMap((slot, at) => (compatible(slot.type, goal.type) ? [{ name: slot.name, at }] : []));
  const input = inputs.find(({ name }) => alike(name, goal.name)) ?? inputs[0];
  const output = outputs.find(({ name }) => input && alike(name, input.name)) ?? outputs[0];
  return input && output && { input: input.name, output: output.at };
}

/** Other ways through the node, named alike at both ends, and the threads for them: of the same source, or to the same target. */
function beside(graph: Graph, wire: Link, node: Node, taken: Pair): readonly { pair: Pair; wires: readonly Link[] }[] {
  const { nodes } = withBoundary(graph);
  const [source, target] = [nodes.get(wire.from.node), nodes.get(wire.to.node)];
  return node.inputs.flatMap((input) => {
    const output = node.outputs.findIndex(({ name, type }, at) => at !== taken.output && alike(name, input.name) && compatible(type, input.type));
    if (output < 0 || input.name === taken.input || input.link !== null || input.widget !== undefined) return [];
    const fits = (link: Link): boolean => link.to.node !== node.id && !misfit(graph, link.from, { node: node.id, input: input.name });
    const slot = source?.outputs.findIndex(({ name, type }) => alike(name, input.name) && type === input.type) ?? -1;
    const past = slot < 0 ? [] : [...linksFrom(graph, wire.from.node, slot)].filter(fits);
    const to = target?.inputs.find(({ name }) => alike(name, input.name))?.link;
    const toward = to === null || to === undefined ? undefined : graph.links.get(to);
    const wires = past.length > 0 ? past : toward && fits(toward) ? [toward] : [];
    return wires.length > 0 ? [{ pair: { input: input.name, output }, wires }] : [];
  });
}

function alike(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}
