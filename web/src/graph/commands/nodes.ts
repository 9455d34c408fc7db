/** Commands on nodes. Each names what it does for the undo menu. */
import { isBoundary, keyOf, placedAt } from "../boundary";
import type { Command } from "../document";
import type { Draft } from "../draft";
import { makeNode } from "../make-node";
import { linksFrom, linksTo } from "../queries";
import { adaptInputs } from "../slots";
import type { GraphId, JsonObject, JsonValue, Node, NodeId, Point, Size, WidgetValues } from "../types";
import { type Fields, bareNode, without, withWidgets } from "../values";
import { widgetsOf } from "../widgets";
import { cutLink, settleTypes } from "./wiring";

/** @returns the new node's id. `values` are widget values by key that differ from the defaults. */
export function addNode(graph: GraphId, type: string, pos: Point, values: WidgetValues = {}): Command<NodeId> {
  return {
    label: "Add node",
    apply(draft) {
      const id = draft.nextNodeId();
      const def = draft.defs.of(draft.state(), type);
      draft.putNode(graph, def ? makeNode(id, def, pos, values) : { ...bareNode(id, type, pos), widgets: values });
      return id;
    },
  };
}

/** With their links. */
export function removeNodes(graph: GraphId, ids: Iterable<NodeId>): Command {
  return {
    label: "Delete",
    apply(draft) {
      for (const id of ids) removeNode(draft, graph, id);
    },
  };
}

export function removeNode(draft: Draft, graph: GraphId, id: NodeId): void {
  const level = draft.graph(graph);
  if (!level.nodes.has(id)) return;
  for (const link of [...linksTo(level, id), ...linksFrom(level, id)]) cutLink(draft, graph, link.id);
  draft.dropNode(graph, id);
}

export function moveNodes(graph: GraphId, ids: Iterable<NodeId>, [dx, dy]: Point): Command {
  return {
    label: "Move",
    apply(draft) {
      for (const id of ids) {
        const { pos } = draft.node(graph, id);
        draft.updateNode(graph, id, { pos: [pos[0] + dx, pos[1] + dy] });
      }
    },
  };
}

/** Put nodes where told (align, arrange, snap). */
export function placeNodes(graph: GraphId, places: Iterable<readonly [NodeId, Point]>, label = "Move"): Command {
  return {
    label,
    apply(draft) {
      for (const [id, pos] of places)
        if (isBoundary(id)) placeBoundary(draft, graph, id, pos);
        else if (!samePair(draft.node(graph, id).pos, pos)) draft.updateNode(graph, id, { pos });
    },
  };
}

/** Inputs or outputs of a subgraph, as its definition says where they lie. */
function placeBoundary(draft: Draft, graph: GraphId, id: NodeId, pos: Point): void {
  const level = draft.graph(graph);
  draft.setMeta(graph, { rest: { ...level.rest, [keyOf(id)]: { ...placedAt(level, id, pos) } } });
}

export function resizeNode(graph: GraphId, id: NodeId, size: Size, pos?: Point): Command {
  return {
    label: "Resize",
    coalesce: `size:${graph}:${id}`,
    apply(draft) {
      if (!samePair(draft.node(graph, id).size, size)) draft.updateNode(graph, id, { size });
      if (pos && !samePair(draft.node(graph, id).pos, pos)) draft.updateNode(graph, id, { pos });
    },
  };
}

/** An empty title gives the node its type's name again. */
export function setTitle(graph: GraphId, id: NodeId, title: string): Command {
  return change(graph, [id], "Rename", () => ({ title: title === "" ? undefined : title }), `title:${graph}:${id}`);
}

/** 0 runs, 2 muted, 4 bypassed (see `Mode`). */
export function setMode(graph: GraphId, ids: Iterable<NodeId>, mode: number): Command {
  return change(graph, ids, mode === 0 ? "Enable" : mode === 2 ? "Mute" : "Bypass", () => ({ mode }));
}

export function setCollapsed(graph: GraphId, ids: Iterable<NodeId>, collapsed: boolean): Command {
  return setFlag(graph, ids, "collapsed", collapsed, collapsed ? "Collapse" : "Expand");
}

/** A pinned node is neither moved nor sized by the pointer. */
export function setPinned(graph: GraphId, ids: Iterable<NodeId>, pinned: boolean): Command {
  return setFlag(graph, ids, "pinned", pinned, pinned ? "Pin" : "Unpin");
}

/** CSS colours of title and body; undefined gives the theme's own. */
export function setColor(
  graph: GraphId,
  ids: Iterable<NodeId>,
  color?: string,
  bgcolor: string | undefined = color,
): Command {
  return change(graph, ids, "Colour", () => ({ color, bgcolor }));
}

/** A property kept in the file and not on the face of the node; undefined removes it. */
export function setProperty(graph: GraphId, id: NodeId, name: string, value: JsonValue | undefined): Command {
  return change(graph, [id], "Set property", (node) => ({
    properties: value === undefined ? without(node.properties, [name]) : { ...node.properties, [name]: value },
  }));
}

/** Draw these above the others. */
export function raiseNodes(graph: GraphId, ids: Iterable<NodeId>): Command {
  return { label: "Bring to front", apply: (draft) => draft.raiseNodes(graph, ids) };
}

/** `key` as in `WidgetEntry.key`. Steps of one widget join until a pause or `GraphDocument.seal()`. */
export function setWidget(graph: GraphId, id: NodeId, key: string, value: JsonValue): Command {
  return setWidgets(graph, id, { [key]: value });
}

export function setWidgets(graph: GraphId, id: NodeId, values: WidgetValues): Command {
  return {
    label: `Set ${Object.keys(values).join(", ")}`,
    coalesce: `widget:${graph}:${id}:${Object.keys(values).join()}`,
    apply: (draft) => writeWidgets(draft, graph, id, values),
  };
}

/** Values, and what follows from them: slots and further widgets of a dynamic combo. */
export function writeWidgets(draft: Draft, graph: GraphId, id: NodeId, values: WidgetValues): void {
  const node = draft.node(graph, id);
  if (Object.entries(values).every(([key, value]) => node.widgets[key] === value)) return;
  draft.updateNode(graph, id, { widgets: withWidgets(node.widgets, values) });
  const changed = draft.node(graph, id);
  const def = draft.defs.of(draft.state(), node.type);
  if (!def) return;
  const dynamic = def.inputs.some((input) => input.widget?.kind === "dynamic-combo");
  if (!dynamic) return;
  const inputs = adaptInputs(changed, def);
  const gone = changed.inputs.filter((slot) => slot.link !== null && !inputs.some((kept) => kept.link === slot.link));
  for (const slot of gone) if (slot.link !== null) cutLink(draft, graph, slot.link);
  draft.updateNode(graph, id, { inputs: adaptInputs(draft.node(graph, id), def) });
  const missing = widgetsOf(draft.defs, draft.state(), graph, draft.node(graph, id)).filter(
    ({ key }) => !(key in changed.widgets),
  );
  if (missing.length > 0) {
    const defaults = Object.fromEntries(missing.map((entry) => [entry.key, entry.default]));
    draft.updateNode(graph, id, { widgets: withWidgets(draft.node(graph, id).widgets, defaults) });
  }
  settleTypes(draft, graph, id);
}

function setFlag(graph: GraphId, ids: Iterable<NodeId>, flag: string, on: boolean, label: string): Command {
  return change(graph, ids, label, (node) => {
    const flags: JsonObject = on ? { ...node.flags, [flag]: true } : without(node.flags, [flag]);
    return (node.flags[flag] === true) === on ? {} : { flags };
  });
}

function change(
  graph: GraphId,
  ids: Iterable<NodeId>,
  label: string,
  fields: (node: Node) => Fields<Node>,
  coalesce?: string,
): Command {
  return {
    label,
    ...(coalesce !== undefined && { coalesce }),
    apply(draft) {
      for (const id of ids) draft.updateNode(graph, id, fields(draft.node(graph, id)));
    },
  };
}

function samePair(a: readonly [number, number], b: readonly [number, number]): boolean {
  return a[0] === b[0] && a[1] === b[1];
}
