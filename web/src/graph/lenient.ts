/** Reading JSON that may hold anything: the value if it is of the kind asked for, a fallback else. */
import type { JsonObject, JsonValue } from "./types";
import { isArray, isObject } from "./values";

export function text(value: JsonValue | undefined, fallback: string): string {
  return typeof value === "string" ? value : fallback;
}

export function number(value: JsonValue | undefined, fallback: number): number {
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : fallback;
}

export function whole(value: JsonValue | undefined, fallback: number): number | bigint {
  return typeof value === "bigint" || typeof value === "number" ? value : fallback;
}

export function object(value: JsonValue | undefined): JsonObject {
  return isObject(value) ? value : {};
}

export function list(value: JsonValue | undefined): readonly JsonValue[] {
  return isArray(value) ? value : [];
}
