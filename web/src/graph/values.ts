/** Small makers and changers of document values. */
import type {
  DocumentState,
  Graph,
  GraphId,
  JsonObject,
  JsonValue,
  Node,
  NodeId,
  Point,
  Size,
  WidgetValues,
} from "./types";
import { ROOT } from "./types";

export function emptyGraph(id: GraphId, name = ""): Graph {
  return {
    id,
    name,
    nodes: new Map(),
    links: new Map(),
    groups: new Map(),
    inputs: [],
    outputs: [],
    last: { node: 0, link: 0, group: 0 },
    rest: {},
  };
}

export function emptyState(): DocumentState {
  return { graphs: new Map([[ROOT, emptyGraph(ROOT)]]) };
}

/** A node of nothing but a type; see `makeNode` in commands/nodes.ts for one with slots and defaults. */
export function bareNode(id: NodeId, type: string, pos: Point = [0, 0], size: Size = [210, 60]): Node {
  return { id, type, pos, size, mode: 0, flags: {}, inputs: [], outputs: [], properties: {}, widgets: {}, rest: {} };
}

/** Some fields of a record; `undefined` removes an optional one. */
export type Fields<T> = { readonly [Key in keyof T]?: T[Key] | undefined };

/** A copy of `record` with `fields` put over it. */
export function withFields<T extends object>(record: T, fields: Fields<T>): T {
  const copy = { ...record, ...fields };
  for (const key of Object.keys(fields) as (keyof T)[]) if (copy[key] === undefined) delete copy[key];
  return copy as T;
}

export function withWidgets(
  values: WidgetValues,
  changed: Readonly<Record<string, JsonValue | undefined>>,
): WidgetValues {
  return withFields<Record<string, JsonValue>>(values, changed);
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** Equal as JSON: the same keys in any order, the same items in the same order. */
export function jsonEqual(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (Object.is(a, b)) return true;
  if (isArray(a) && isArray(b)) return a.length === b.length && a.every((item, index) => jsonEqual(item, b[index]));
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && jsonEqual(a[key], b[key]))
  );
}

/** `object` without some keys. */
export function without(object: JsonObject, keys: Iterable<string>): JsonObject {
  const copy: Record<string, JsonValue> = { ...object };
  for (const key of keys) delete copy[key];
  return copy;
}
