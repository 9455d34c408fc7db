/**
 * A subgraph as a file of its own, to use in any workflow: a workflow whose root holds one instance, as the field keeps its
 * blueprints (`subgraphs/NAME.json` among the user's files).
 */
import { copy } from "./clipboard";
import type { Command } from "./document";
import type { NodeDefs } from "./defs";
import type { DocumentState, Graph, GraphId, JsonObject, JsonValue, Node, NodeId, Point } from "./types";
import { ROOT } from "./types";
import { jsonEqual } from "./values";
import { parseWorkflow } from "./workflow/parse";
import { WorkflowError } from "./workflow/read";
import { serialize, writeDefinition } from "./workflow/serialize";

/** The file of an instance and all definitions in it; what it is wired to stays behind. @throws RangeError if the node is no subgraph. */
export function blueprintOf(state: DocumentState, graph: GraphId, instance: NodeId, defs: NodeDefs, name: string): JsonObject {
  const node = state.graphs.get(graph)?.nodes.get(instance);
  if (!node || !state.graphs.has(node.type)) throw new RangeError("This node is no subgraph.");
  const { nodes, subgraphs } = copy(state, graph, [instance], defs);
  const { state: alone } = parseWorkflow({ nodes, links: [], definitions: { subgraphs } }, defs);
  const graphs = new Map(alone.graphs);
  const [root, definition] = [graphs.get(ROOT), graphs.get(node.type)];
  if (root) graphs.set(ROOT, { ...root, nodes: new Map([[instance, bare(root.nodes.get(instance) ?? node)]]) });
  if (definition) graphs.set(node.type, { ...definition, name });
  return serialize({ graphs }, defs);
}

function bare(node: Node): Node {
  const { title: _title, ...rest } = node;
  return { ...rest, pos: [0, 0], inputs: node.inputs.map((slot) => ({ ...slot, link: null })) };
}

/** A blueprint that was read: its instance, and the definitions that it needs. */
export interface Blueprint {
  readonly state: DocumentState;
  readonly instance: Node;
}

/** @throws WorkflowError if the file holds no subgraph. */
export function readBlueprint(json: JsonValue, defs: NodeDefs): Blueprint {
  const { state } = parseWorkflow(json, defs);
  const instance = [...(state.graphs.get(ROOT)?.nodes.values() ?? [])].find(({ type }) => !defs.get(type) && state.graphs.has(type));
  if (!instance) throw new WorkflowError("no-subgraph");
  return { state, instance };
}

/**
 * A new instance. Definitions that the document holds unchanged are shared; where it holds another of the same id, the
 * blueprint's come in beside it under new ids. @returns the new node's id.
 */
export function insertBlueprint(graph: GraphId, blueprint: Blueprint, at: Point, newId: () => GraphId = () => crypto.randomUUID()): Command<NodeId> {
  return {
    label: "Insert a blueprint",
    apply(draft) {
      const { state, instance } = blueprint;
      const own = [...state.graphs.values()].filter(({ id }) => id !== ROOT);
      const here = draft.state();
      const same = (one: Graph): boolean => {
        const known = here.graphs.get(one.id);
        return known !== undefined && jsonEqual(writeDefinition(known, here, draft.defs), writeDefinition(one, state, draft.defs));
      };
      const shared = own.every((one) => !here.graphs.has(one.id) || same(one));
      const ids = new Map(own.map(({ id }) => [id, shared ? id : newId()]));
      const renamed = (node: Node): Node => ({ ...node, type: ids.get(node.type) ?? node.type });
      for (const one of own) {
        const id = ids.get(one.id) ?? one.id;
        if (!here.graphs.has(id)) draft.putGraph({ ...one, id, nodes: new Map([...one.nodes].map(([key, node]) => [key, renamed(node)])) });
      }
      const id = draft.nextNodeId();
      draft.putNode(graph, { ...renamed(bare(instance)), id, pos: at });
      return id;
    },
  };
}
