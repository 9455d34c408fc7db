/** Commands on groups (frames), and on the whole document. */
import type { Command } from "../document";
import type { Draft } from "../draft";
import { TITLE_HEIGHT, boundsAround, boundsOf, nodesInside } from "../queries";
import type { DocumentState, GraphId, Group, GroupId, NodeId, Point, Rect } from "../types";
import { type Fields, withFields } from "../values";

const MARGIN = 10;

export function addGroup(graph: GraphId, bounds: Rect, title = "Group"): Command<GroupId> {
  return { label: "Add group", apply: (draft) => putNew(draft, graph, bounds, title) };
}

/** A frame around nodes. @throws RangeError if there are none. */
export function groupNodes(graph: GraphId, ids: Iterable<NodeId>, title = "Group"): Command<GroupId> {
  return {
    label: "Group",
    apply(draft) {
      const around = boundsAround([...ids].map((id) => boundsOf(draft.node(graph, id))));
      if (!around) throw new RangeError("Select nodes to group first.");
      const [x, y, width, height] = around;
      return putNew(
        draft,
        graph,
        [x - MARGIN, y - MARGIN - TITLE_HEIGHT, width + 2 * MARGIN, height + 2 * MARGIN + TITLE_HEIGHT],
        title,
      );
    },
  };
}

/** The frames alone; their nodes stay. */
export function removeGroups(graph: GraphId, ids: Iterable<GroupId>): Command {
  return {
    label: "Ungroup",
    apply(draft) {
      for (const id of ids) draft.dropGroup(graph, id);
    },
  };
}

export function setGroup(
  graph: GraphId,
  id: GroupId,
  fields: Fields<Pick<Group, "title" | "bounds" | "color">>,
): Command {
  return {
    label: "Edit group",
    coalesce: `group:${graph}:${id}:${Object.keys(fields).join()}`,
    apply: (draft) => draft.putGroup(graph, withFields<Group>(groupOf(draft, graph, id), fields)),
  };
}

/** Frames with the nodes inside them. To drag, take the nodes once at the start and pass them in `nodes`. */
export function moveGroups(graph: GraphId, ids: Iterable<GroupId>, [dx, dy]: Point, nodes?: Iterable<NodeId>): Command {
  return {
    label: "Move group",
    apply(draft) {
      const groups = [...ids].map((id) => groupOf(draft, graph, id));
      const inside = nodes ?? groups.flatMap((group) => nodesInside(draft.graph(graph), group));
      for (const group of groups) {
        const [x, y, width, height] = group.bounds;
        draft.putGroup(graph, { ...group, bounds: [x + dx, y + dy, width, height] });
      }
      for (const id of new Set(inside)) {
        const { pos } = draft.node(graph, id);
        draft.updateNode(graph, id, { pos: [pos[0] + dx, pos[1] + dy] });
      }
    },
  };
}

/** Another document in the place of this one, as a step that undo takes back. */
export function replaceAll(state: DocumentState, label = "Open"): Command {
  return {
    label,
    apply(draft) {
      for (const id of [...draft.state().graphs.keys()]) if (!state.graphs.has(id)) draft.dropGraph(id);
      for (const graph of state.graphs.values()) draft.putGraph(graph);
    },
  };
}

function putNew(draft: Draft, graph: GraphId, bounds: Rect, title: string): GroupId {
  const id = draft.nextGroupId(graph);
  draft.putGroup(graph, { id, title, bounds, rest: {} });
  return id;
}

function groupOf(draft: Draft, graph: GraphId, id: GroupId): Group {
  const group = draft.graph(graph).groups.get(id);
  if (!group) throw new RangeError(`There is no group ${id} here.`);
  return group;
}
