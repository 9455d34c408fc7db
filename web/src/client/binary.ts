/** Binary messages of the websocket: an event number, big endian, then what it tells. */
import { parseJson } from "../graph/json";
import { isObject } from "../graph/values";
import type { NodeText, Preview } from "./wire";

const PREVIEW = 1;
const TEXT = 3;
const PREVIEW_WITH_METADATA = 4;
const MIMES: Readonly<Record<number, string>> = { 1: "image/jpeg", 2: "image/png" };

export type BinaryMessage =
  { readonly type: "preview"; readonly data: Preview } | { readonly type: "text"; readonly data: NodeText };

/** @returns undefined for events that we do not know and for messages that are cut short. */
export function readBinary(buffer: ArrayBuffer): BinaryMessage | undefined {
  if (buffer.byteLength < 8) return undefined;
  const view = new DataView(buffer);
  const length = view.getUint32(4);
  switch (view.getUint32(0)) {
    case PREVIEW:
      return preview(new Uint8Array(buffer, 8), MIMES[length] ?? "image/jpeg", {});
    case PREVIEW_WITH_METADATA: {
      if (8 + length > buffer.byteLength) return undefined;
      const told = metadata(new Uint8Array(buffer, 8, length));
      return told && preview(new Uint8Array(buffer, 8 + length), told.mime ?? "image/jpeg", told);
    }
    case TEXT: {
      if (8 + length > buffer.byteLength) return undefined;
      const node = decode(new Uint8Array(buffer, 8, length));
      return { type: "text", data: { node, text: decode(new Uint8Array(buffer, 8 + length)) } };
    }
    default:
      return undefined;
  }
}

interface Metadata {
  readonly node?: string | undefined;
  readonly displayNode?: string | undefined;
  readonly prompt?: string | undefined;
  readonly mime?: string | undefined;
}

function preview(
  bytes: Uint8Array<ArrayBuffer>,
  mime: string,
  { node, displayNode = node, prompt }: Metadata,
): BinaryMessage {
  return { type: "preview", data: { node, displayNode, prompt, mime, bytes } };
}

function metadata(bytes: Uint8Array): Metadata | undefined {
  try {
    const told = parseJson(decode(bytes));
    if (!isObject(told)) return undefined;
    const text = (key: string): string | undefined => (typeof told[key] === "string" ? told[key] : undefined);
    return {
      node: text("node_id"),
      displayNode: text("display_node_id"),
      prompt: text("prompt_id"),
      mime: text("image_type"),
    };
  } catch {
    return undefined; // a preview is only a preview
  }
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
