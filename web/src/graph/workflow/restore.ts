/** Widget values of a file, which lists them by place, to values by key. */
import type { NodeDef } from "../defs";
import type { JsonObject, JsonValue, WidgetValues } from "../types";
import { isArray, isObject } from "../values";
import { MARKDOWN_NOTE, NOTE, PRIMITIVE } from "../virtual-defs";
import { PRIMITIVE_KEY, type WidgetEntry, controlKey, layOut } from "../widgets";

/**
 * @param def undefined for a type that nobody knows: then only values with names can be told.
 * @param raw `widgets_values`: a list by place, or a dictionary by name.
 * @param named `widgets_values_named`, which newer files have beside the list.
 */
export function restoreWidgets(
  type: string,
  def: NodeDef | undefined,
  raw: JsonValue | undefined,
  named: JsonValue | undefined,
): WidgetValues {
  if (type === PRIMITIVE) return restorePrimitive(raw);
  if (!def) return namedValues(isObject(raw) ? raw : named);
  if (isObject(raw)) return restoreByName(def, raw);
  const values = isArray(raw) ? raw : [];
  if (type === NOTE || type === MARKDOWN_NOTE) return { text: values[0] ?? "" };
  return restoreByPlace(def, values);
}

function restoreByPlace(def: NodeDef, raw: readonly JsonValue[]): WidgetValues {
  const forced = isOfOldFile(def, raw.length);
  const values: Record<string, JsonValue> = {};
  let place = 0;
  for (const entry of layOut(def, (key) => values[key], { forced })) {
    const value = raw[place++];
    if (entry.role !== "forced") values[entry.key] = value ?? (place <= raw.length ? null : entry.default);
  }
  return values;
}

/** Files from before front end 1.16 hold a dummy value for every input that is a socket by wish. */
function isOfOldFile(def: NodeDef, length: number): boolean {
  const count = (forced: boolean): number => [...layOut(def, () => undefined, { forced })].length;
  return count(true) !== count(false) && length === count(true);
}

function restoreByName(def: NodeDef, raw: JsonObject): WidgetValues {
  const values: Record<string, JsonValue> = {};
  for (const entry of layOut(def, (key) => values[key])) {
    values[entry.key] = raw[entry.key] ?? raw[entry.name] ?? entry.default;
  }
  return values;
}

function namedValues(raw: JsonValue | undefined): WidgetValues {
  return isObject(raw) ? { ...raw } : {};
}

function restorePrimitive(raw: JsonValue | undefined): WidgetValues {
  const [value, control] = isArray(raw) ? raw : [];
  return {
    ...(value !== undefined && { [PRIMITIVE_KEY]: value }),
    ...(control !== undefined && { [controlKey(PRIMITIVE_KEY)]: control }),
  };
}

/** Values by place again. What the file had beyond the widgets that we know stays at the end. */
export function listValues(
  entries: readonly WidgetEntry[],
  values: WidgetValues,
  raw: JsonValue | undefined,
): JsonValue {
  if (isObject(raw))
    return { ...raw, ...Object.fromEntries(entries.map((entry) => [entry.name, values[entry.key] ?? entry.default])) };
  const listed = entries.map((entry) => values[entry.key] ?? (entry.key in values ? null : entry.default));
  return isArray(raw) ? [...listed, ...raw.slice(listed.length)] : listed;
}
