/** Workflow JSON to a document. Nothing in it is lost: what we do not know is kept and written again. */
import type { NodeDefs } from "../defs";
import { reconcileInputs, reconcileOutputs } from "../slots";
import type { Camera, DocumentState, Graph, GraphId, JsonValue, Node } from "../types";
import { isArray, withFields, without } from "../values";
import { promotedValues, unfoldProxies } from "./proxies";
import { readCamera, readGraphs } from "./read";
import { restoreWidgets } from "./restore";

export interface ParsedWorkflow {
  readonly state: DocumentState;
  /** Where the file's camera stood, if it says so. */
  readonly camera: Camera | undefined;
}

/** @throws WorkflowError if the JSON is no workflow. Unknown node types are no error. */
export function parseWorkflow(json: JsonValue, defs: NodeDefs): ParsedWorkflow {
  const graphs = readGraphs(json);
  const isInstance = (node: Node): boolean => !defs.get(node.type) && graphs.has(node.type);
  for (const [id, graph] of graphs) {
    graphs.set(
      id,
      mapNodes(graph, (node) => (isInstance(node) ? node : settle(node, defs, { graphs }))),
    );
  }
  const order = innermostFirst(graphs);
  const given = new Map<string, Readonly<Record<string, JsonValue>>>();
  for (const id of order) {
    for (const node of [...(graphs.get(id)?.nodes.values() ?? [])].filter(isInstance)) {
      given.set(
        `${id} ${node.id}`,
        hasProxies(node) ? unfoldProxies(graphs, node, defs) : promotedValues({ graphs: new Map(graphs) }, node, defs),
      );
      replaceNode(graphs, id, mirrorBoundary(node, defs, graphs));
    }
  }
  // A definition may have grown while later instances of it were read: mirror it once more, and let the values in.
  for (const id of order) {
    for (const node of [...(graphs.get(id)?.nodes.values() ?? [])].filter(isInstance)) {
      const mirrored = mirrorBoundary(node, defs, graphs);
      const widgets = given.get(`${id} ${node.id}`) ?? {};
      const source = hasProxies(node)
        ? undefined
        : node.widgetSource && { raw: node.widgetSource.raw, values: widgets };
      const properties = without(node.properties, ["proxyWidgets", "proxyWidgetErrorQuarantine"]);
      replaceNode(graphs, id, withFields(mirrored, { widgets, widgetSource: source, properties }));
    }
  }
  return { state: { graphs }, camera: readCamera(json) };
}

function hasProxies(node: Node): boolean {
  return isArray(node.properties.proxyWidgets) && node.properties.proxyWidgets.length > 0;
}

/** A node in line with its definition: slots, and values by key. */
function settle(node: Node, defs: NodeDefs, state: DocumentState): Node {
  const raw = node.widgetSource?.raw;
  const def = defs.of(state, node.type);
  const widgets = restoreWidgets(node.type, def, raw, node.rest.widgets_values_named);
  const settled = withFields(node, { widgets, widgetSource: raw === undefined ? undefined : { raw, values: widgets } });
  if (!def || (def.virtual && def.inputs.length === 0)) return settled;
  const inputs = reconcileInputs(node.inputs, def, (key) => widgets[key]);
  return { ...settled, inputs, outputs: reconcileOutputs(node.outputs, def) };
}

function mirrorBoundary(node: Node, defs: NodeDefs, graphs: ReadonlyMap<GraphId, Graph>): Node {
  const def = defs.of({ graphs: new Map(graphs) }, node.type);
  if (!def) return node;
  return {
    ...node,
    inputs: reconcileInputs(node.inputs, def, () => undefined),
    outputs: reconcileOutputs(node.outputs, def),
  };
}

function mapNodes(graph: Graph, change: (node: Node) => Node): Graph {
  return { ...graph, nodes: new Map([...graph.nodes].map(([id, node]) => [id, change(node)])) };
}

function replaceNode(graphs: Map<GraphId, Graph>, id: GraphId, node: Node): void {
  const graph = graphs.get(id);
  if (graph) graphs.set(id, { ...graph, nodes: new Map(graph.nodes).set(node.id, node) });
}

/** Definitions before the graphs that use them. */
export function innermostFirst(graphs: ReadonlyMap<GraphId, Graph>): GraphId[] {
  const order = new Set<GraphId>();
  const entered = new Set<GraphId>();
  const visit = (id: GraphId): void => {
    const graph = graphs.get(id);
    if (!graph || entered.has(id)) return;
    entered.add(id);
    for (const node of graph.nodes.values()) if (graphs.has(node.type)) visit(node.type);
    order.add(id);
  };
  for (const id of graphs.keys()) visit(id);
  return [...order];
}
