/** Commands on links. */
import { NEW_SLOT, isBoundary, withBoundary } from "../boundary";
import { compatible } from "../compatible";
import type { NodeDefs } from "../defs";
import type { Command } from "../document";
import type { Draft } from "../draft";
import { inputOf, linksFrom, linksTo, wouldLoop } from "../queries";
import type { DocumentState, Graph, GraphId, Link, LinkId, NodeId } from "../types";
import { BOUNDARY_INPUT, BOUNDARY_OUTPUT } from "../types";
import { PRIMITIVE } from "../virtual-defs";
import { addSlot, followBoundary } from "./boundary";
import { cutLink, putLink } from "./wiring";

/** Why a wire may not be: undefined if it may. */
export type Misfit = "no such slot" | "types differ" | "would loop" | "no widget";

/** Whether an output may be wired to an input. An input that is taken may: its link is replaced. */
export function misfit(graph: Graph, from: Link["from"], to: Link["to"]): Misfit | undefined {
  const { nodes } = withBoundary(graph);
  const source = nodes.get(from.node);
  const output = source?.outputs[from.slot];
  const target = nodes.get(to.node);
  const input = target && inputOf(target, to.input);
  if (!source || !output || !input) return "no such slot";
  if (source.type === PRIMITIVE && input.widget === undefined) return "no widget";
  if (!compatible(output.type, input.type)) return "types differ";
  return wouldLoop(graph, from.node, to.node) ? "would loop" : undefined;
}

/** @throws RangeError on a misfit (see `misfit`); @returns the link's id. */
export function connect(graph: GraphId, from: Link["from"], to: Link["to"]): Command<LinkId> {
  return {
    label: "Connect",
    apply(draft) {
      const problem = misfit(draft.graph(graph), from, to);
      if (problem) throw new RangeError(`This wire cannot be: ${problem}.`);
      if (!isBoundary(from.node) && !isBoundary(to.node)) return putLink(draft, graph, from, to);
      const link = putLink(draft, graph, ...atBoundary(draft, graph, from, to));
      followBoundary(draft, graph);
      return link;
    },
  };
}

/** Both ends, where the slot at the end of a boundary is one of its own now: it is called as what it is wired to. */
function atBoundary(draft: Draft, graph: GraphId, from: Link["from"], to: Link["to"]): [Link["from"], Link["to"]] {
  const level = draft.graph(graph);
  if (from.node === BOUNDARY_INPUT && from.slot === level.inputs.length) {
    const input = withBoundary(level).nodes.get(to.node)?.inputs.find(({ name }) => name === to.input);
    return [{ ...from, slot: addSlot(draft, graph, "input", input?.label ?? to.input, input?.type ?? "*") }, to];
  }
  if (to.node === BOUNDARY_OUTPUT && to.input === NEW_SLOT) {
    const output = withBoundary(level).nodes.get(from.node)?.outputs[from.slot];
    const index = addSlot(draft, graph, "output", output?.label ?? output?.name ?? "", output?.type ?? "*");
    return [from, { ...to, input: draft.graph(graph).outputs[index]?.id ?? "" }];
  }
  return [from, to];
}

export function disconnect(graph: GraphId, links: Iterable<LinkId>): Command {
  return {
    label: "Disconnect",
    apply(draft) {
      for (const id of links) cutLink(draft, graph, id);
    },
  };
}

/** Take the end of a link from one input to another (or elsewhere on the same node). */
export function moveLinkEnd(graph: GraphId, link: LinkId, to: Link["to"]): Command<LinkId> {
  return {
    label: "Connect",
    apply(draft) {
      const old = draft.graph(graph).links.get(link);
      if (!old) throw new RangeError("This wire is gone.");
      cutLink(draft, graph, link);
      return connect(graph, old.from, to).apply(draft);
    },
  };
}

/** Take all links of one output to another (shift-drag from an output). Those that do not fit stay. */
export function moveOutputLinks(graph: GraphId, from: Link["from"], to: Link["from"]): Command {
  return {
    label: "Connect",
    apply(draft) {
      for (const link of [...linksFrom(draft.graph(graph), from.node, from.slot)]) {
        if (!misfit(draft.graph(graph), to, link.to)) putLink(draft, graph, to, link.to);
      }
    },
  };
}

/** Delete nodes so that what flowed through them flows on: each reader gets the first fitting source of the deleted node. */
export function removeAndHeal(graph: GraphId, ids: Iterable<NodeId>): Command {
  return {
    label: "Delete and reconnect",
    apply(draft) {
      for (const id of ids) {
        const level = draft.graph(graph);
        const sources = linksTo(level, id);
        const readers = [...linksFrom(level, id)];
        for (const link of [...sources, ...readers]) cutLink(draft, graph, link.id);
        draft.dropNode(graph, id);
        for (const reader of readers) {
          const source = sources.find(
            (link) => link.type === reader.type && !misfit(draft.graph(graph), link.from, reader.to),
          );
          if (source) putLink(draft, graph, source.from, reader.to);
        }
      }
    },
  };
}

/** A definition's slots that fit one end of a wire being drawn, for the list that opens where it is dropped. */
export function fittingSlots(
  defs: NodeDefs,
  state: DocumentState,
  type: string,
  end: { readonly type: string; readonly side: "output" | "input" },
): readonly (string | number)[] {
  const def = defs.of(state, type);
  if (!def) return [];
  if (end.side === "input")
    return def.outputs.flatMap((output, slot) => (compatible(output.type, end.type) ? [slot] : []));
  return def.inputs.flatMap((input) => {
    const taken = input.autogrow?.type ?? input.type;
    const name = input.autogrow?.names[0] ?? input.name;
    return input.socket && compatible(taken, end.type) ? [name] : [];
  });
}
