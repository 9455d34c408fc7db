/** Points on links: the field's second kind of reroute. A link names its last point, each point the one before it. Nothing runs otherwise for them. */
import type { Command } from "./document";
import type { Graph, GraphId, JsonObject, JsonValue, Link, Point } from "./types";
import { ROOT } from "./types";
import { isArray, isObject } from "./values";

export interface LinkPoint {
  readonly id: number;
  readonly pos: Point;
  readonly parent: number | undefined;
}

const known = new WeakMap<JsonObject, ReadonlyMap<number, LinkPoint>>();
const NONE: ReadonlyMap<number, LinkPoint> = new Map();

/** All points of a graph: the root keeps them where version 0.4 does. */
export function pointsOf(graph: Graph): ReadonlyMap<number, LinkPoint> {
  const listed = rawPoints(graph);
  if (listed.length === 0) return NONE;
  let found = known.get(graph.rest);
  if (!found) {
    found = new Map(listed.flatMap((raw) => readPoint(raw)));
    known.set(graph.rest, found);
  }
  return found;
}

/** Points that a link passes, from its source on. A chain that runs in a circle ends where it meets itself. */
export function pointsOn(graph: Graph, link: Link): readonly LinkPoint[] {
  if (typeof link.rest.parentId !== "number") return [];
  const points = pointsOf(graph);
  const chain: LinkPoint[] = [];
  for (let point = points.get(link.rest.parentId); point && !chain.includes(point); point = points.get(point.parent ?? NaN)) chain.push(point);
  return chain.reverse();
}

export function movePoint(graph: GraphId, id: number, pos: Point): Command {
  return {
    label: "Move a point",
    apply(draft) {
      const level = draft.graph(graph);
      draft.setMeta(graph, { rest: withPoints(level, rawPoints(level).map((raw) => (isObject(raw) && raw.id === id ? { ...raw, pos } : raw))) });
    },
  };
}

/** What named the point names the one before it. */
export function removePoint(graph: GraphId, id: number): Command {
  return {
    label: "Remove a point",
    apply(draft) {
      const level = draft.graph(graph);
      const before = pointsOf(level).get(id)?.parent;
      const inherit = (object: JsonObject): JsonObject => {
        const { parentId: _gone, ...rest } = object;
        return before === undefined ? (rest as JsonObject) : { ...rest, parentId: before };
      };
      for (const link of level.links.values()) if (link.rest.parentId === id) draft.putLink(graph, { ...link, rest: inherit(link.rest) });
      const left = rawPoints(level).filter((raw) => !isObject(raw) || raw.id !== id);
      draft.setMeta(graph, { rest: withPoints(level, left.map((raw) => (isObject(raw) && raw.parentId === id ? inherit(raw) : raw))) });
    },
  };
}

function rawPoints({ id, rest }: Graph): readonly JsonValue[] {
  const holder = id === ROOT ? rest.extra : rest;
  return isObject(holder) && isArray(holder.reroutes) ? holder.reroutes : [];
}

function withPoints({ id, rest }: Graph, reroutes: readonly JsonValue[]): JsonObject {
  return id === ROOT ? { ...rest, extra: { ...(isObject(rest.extra) ? rest.extra : {}), reroutes } } : { ...rest, reroutes };
}

function readPoint(raw: JsonValue): [number, LinkPoint][] {
  if (!isObject(raw) || typeof raw.id !== "number") return [];
  const at = isArray(raw.pos) ? raw.pos : isObject(raw.pos) ? [raw.pos["0"], raw.pos["1"]] : [];
  const [x, y] = [Number(at[0]), Number(at[1])];
  if (!Number.isFinite(x) || !Number.isFinite(y)) return [];
  return [[raw.id, { id: raw.id, pos: [x, y], parent: typeof raw.parentId === "number" ? raw.parentId : undefined }]];
}
