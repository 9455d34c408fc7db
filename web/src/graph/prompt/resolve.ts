/** Where the value of an input comes from: through reroutes, bypassed nodes and the walls of subgraphs. */
import { compatible } from "../compatible";
import { inputOf } from "../queries";
import type { Graph, GraphId, InputSlot, JsonValue, Link, Node } from "../types";
import { BOUNDARY_INPUT, BOUNDARY_OUTPUT, Mode } from "../types";
import { PRIMITIVE, REROUTE } from "../virtual-defs";
import { PRIMITIVE_KEY } from "../widgets";

/** One level of one use of a graph: the root, or the inside of an instance. */
export interface Scope {
  readonly graph: Graph;
  /** Ids of the instances around, outermost first. */
  readonly path: readonly string[];
  /** The instance whose inside this is, and where that stands. */
  readonly instance?: Node;
  readonly parent?: Scope;
}

/** A node's output, or a literal. */
export type Resolved = { readonly id: string; readonly slot: number } | { readonly value: JsonValue };

export interface Resolver {
  readonly graphs: ReadonlyMap<GraphId, Graph>;
  /** Whether a type lives in the editor alone. */
  readonly isVirtual: (type: string) => boolean;
  /** What an instance shows for a promoted widget that it has no value of its own for: the one inside. */
  readonly promoted: (type: string, input: string) => JsonValue | undefined;
}

export function executionId(scope: Scope, node: Node): string {
  return [...scope.path, String(node.id)].join(":");
}

/** The inside of an instance. */
export function enter(resolver: Resolver, scope: Scope, instance: Node): Scope | undefined {
  const graph = resolver.graphs.get(instance.type);
  return graph && { graph, path: [...scope.path, String(instance.id)], instance, parent: scope };
}

/** Nothing (undefined) if the wire is missing, broken, muted or leads in a circle. */
export function resolveInput(resolver: Resolver, scope: Scope, slot: InputSlot): Resolved | undefined {
  return follow(resolver, scope, slot, slot.type, new Set());
}

function follow(
  resolver: Resolver,
  scope: Scope,
  slot: InputSlot,
  wanted: string,
  seen: Set<string>,
): Resolved | undefined {
  const link = slot.link === null ? undefined : scope.graph.links.get(slot.link);
  return link && followLink(resolver, scope, link, wanted, seen);
}

function followLink(
  resolver: Resolver,
  scope: Scope,
  link: Link,
  wanted: string,
  seen: Set<string>,
): Resolved | undefined {
  const mark = `${scope.path.join(":")} ${link.id}`;
  if (seen.has(mark)) return undefined;
  seen.add(mark);
  if (link.from.node === BOUNDARY_INPUT) return followOut(resolver, scope, link, wanted, seen);
  const node = scope.graph.nodes.get(link.from.node);
  return node && followOutput(resolver, scope, node, link.from.slot, wanted, seen);
}

/** Out of a subgraph: what its instance gets there, by wire or by value. */
function followOut(
  resolver: Resolver,
  scope: Scope,
  link: Link,
  wanted: string,
  seen: Set<string>,
): Resolved | undefined {
  const name = scope.graph.inputs[link.from.slot]?.name;
  if (name === undefined || !scope.parent || !scope.instance) return undefined;
  const slot = inputOf(scope.instance, name);
  const wired = slot && follow(resolver, scope.parent, slot, wanted, seen);
  if (wired) return wired;
  const value = scope.instance.widgets[name] ?? resolver.promoted(scope.instance.type, name);
  return value === undefined ? undefined : { value };
}

function followOutput(
  resolver: Resolver,
  scope: Scope,
  node: Node,
  slot: number,
  wanted: string,
  seen: Set<string>,
): Resolved | undefined {
  if (node.mode === Mode.Never) return undefined;
  if (node.mode === Mode.Bypass) {
    const through = passThrough(node, slot, wanted);
    return through && follow(resolver, scope, through, wanted, seen);
  }
  if (node.type === REROUTE) return node.inputs[0] && follow(resolver, scope, node.inputs[0], wanted, seen);
  if (node.type === PRIMITIVE) {
    const value = node.widgets[PRIMITIVE_KEY];
    return value === undefined ? undefined : { value };
  }
  const inside = resolver.isVirtual(node.type) ? undefined : enter(resolver, scope, node);
  if (inside) {
    const end = inside.graph.outputs[slot]?.id;
    const last = [...inside.graph.links.values()].find(
      (link) => link.to.node === BOUNDARY_OUTPUT && link.to.input === end,
    );
    return last && followLink(resolver, inside, last, wanted, seen);
  }
  return resolver.isVirtual(node.type) ? undefined : { id: executionId(scope, node), slot };
}

/** The input that a bypassed node hands through to one of its outputs. */
export function passThrough(node: Node, output: number, wanted: string): InputSlot | undefined {
  const opposite = node.inputs[output];
  if (wanted === "*" || wanted === "") return opposite ?? node.inputs[0];
  const type = node.outputs[output]?.type ?? "*";
  if (opposite && compatible(opposite.type, type) && compatible(opposite.type, wanted)) return opposite;
  return node.inputs.find((slot) => slot.type === wanted) ?? node.inputs.find((slot) => compatible(slot.type, wanted));
}
