/** Where a node's parts lie. By rule, not by measuring, so that nodes out of sight have threads in the right places. */
import { type DocumentState, type GraphId, MARKDOWN_NOTE, NOTE, type Node, type NodeDefs, type NodeId, REROUTE, type WidgetEntry, widgetsOf } from "../graph";

export const ROW = 26;
export const HEADER = 32;
/** A field and the space to the next. */
export const PITCH = 29;
const TOP = 3;
const BOTTOM = 10;
const LEAST_TEXT = 64;
const LEAST_PICTURE = 120;
const MOST_PICTURE = 420;
const CAPTION = 26;
const LEAST_WIDTH = 140;

export interface Port {
  /** The input's name, or the output's number. */
  readonly key: string | number;
  readonly type: string;
  readonly label: string;
  readonly hollow: boolean;
  /** From the box's top left corner. */
  readonly x: number;
  readonly y: number;
  /** The port belongs to a field and shows only when it matters. */
  readonly field: boolean;
  readonly linked: boolean;
}

/** Something that puts itself into an element of a node. */
export interface Face {
  /** @returns what takes it away again. */
  mount(host: HTMLElement): () => void;
}

export interface Field {
  readonly entry: WidgetEntry;
  readonly y: number;
  readonly height: number;
  readonly linked: boolean;
  /** Draws the row in place of the canvas's own field. */
  readonly face?: Face;
}

/** A row that is not simply its definition's. */
export interface ExtraField {
  readonly entry: WidgetEntry;
  /** With the space to the next. */
  readonly height: number;
  /** Takes its share of room that is left. */
  readonly grows: boolean;
  readonly face?: Face;
}

export interface NodeBox {
  readonly id: NodeId;
  /** Graph units; the top left corner of the title. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly header: number;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly fields: readonly Field[];
  /** Room for pictures at the foot. */
  readonly picture: { readonly y: number; readonly height: number } | undefined;
  /** Where an error stands. */
  readonly foot: number;
}

/** What a node shows beside its sockets and fields. */
export interface Extras {
  readonly pictures: number;
  /** Height of a picture by its width. */
  readonly ratio: number;
  /** Pixels that an error needs; 0 for none. */
  readonly error: number;
  /** Rows in place of those of its definition. */
  readonly fields?: readonly ExtraField[];
}
export const NO_EXTRAS: Extras = { pictures: 0, ratio: 1, error: 0 };

/** Fields of more than one row, by type. */
const HEIGHTS: Readonly<Record<string, number>> = { CURVE: 132, BOUNDING_BOX: 56, WEBCAM: 190, AUDIO_RECORD: 66 };

/** A field's height and the space to the next. */
function pitchOf({ widget }: WidgetEntry): number {
  return widget.kind === "other" ? (HEIGHTS[widget.type] ?? PITCH - 3) + 3 : PITCH;
}

export function isTall(entry: WidgetEntry): boolean {
  return entry.widget.kind === "string" && entry.widget.multiline;
}

/** @param drop how far lower neighbours' growth has pushed the node, in the view alone. */
export function boxOf(node: Node, defs: NodeDefs, state: DocumentState, graph: GraphId, extras: Extras, drop: number): NodeBox {
  if (node.type === REROUTE) return rerouteBox(node, drop);
  const x = node.pos[0];
  const y = node.pos[1] - HEADER + drop;
  const width = Math.max(LEAST_WIDTH, node.size[0]);
  if (node.flags.collapsed === true) return collapsedBox(node, x, y, width);
  const wanted = extras.fields ?? usualFields(defs, state, graph, node);
  const entries = wanted.map(({ entry }) => entry);
  const linkedTo = new Set(node.inputs.flatMap((slot) => (slot.link !== null && slot.widget !== undefined ? [slot.widget] : [])));
  const away = extras.fields ? hiddenInputs(defs, state, graph, node, entries) : undefined;
  const inputs = away ? node.inputs.filter((slot) => slot.link !== null || !away.has(slot.widget ?? "")) : node.inputs;
  const sockets = inputs.filter((slot) => slot.widget === undefined || !entries.some((entry) => entry.key === slot.widget));
  const rows = Math.max(sockets.length, node.outputs.length);
  const tall = wanted.filter(({ grows }) => grows).length;
  const asked = wanted.reduce((sum, { height }) => sum + height, 0);
  const note = node.type === NOTE || node.type === MARKDOWN_NOTE;
  const picture = pictureHeight(width, extras);
  const fixed = HEADER + rows * ROW + (entries.length > 0 || picture > 0 ? TOP + BOTTOM : 4) + extras.error;
  const height = Math.max(HEADER + Math.max(node.size[1], note ? 40 : 0), fixed + asked + picture);
  const spare = height - fixed - asked - picture;
  const share = tall > 0 ? spare / tall : 0;
  let at = HEADER + rows * ROW + (entries.length > 0 ? TOP : 0);
  const fields = wanted.map(({ entry, height: least, grows, face }): Field => {
    const tallness = least + (grows ? share : 0);
    const field = { entry, y: at, height: tallness - 3, linked: linkedTo.has(entry.key), ...(face && { face }) };
    at += tallness;
    return field;
  });
  const foot = at + (picture > 0 ? picture + (tall > 0 ? 0 : spare) : 0);
  const ports = inputs.map((slot): Port => {
    const field = fields.find(({ entry }) => entry.key === slot.widget);
    const row = sockets.indexOf(slot);
    const py = field ? field.y + Math.min(field.height, ROW) / 2 : HEADER + row * ROW + ROW / 2;
    return { key: slot.name, type: slot.type, label: slot.label ?? slot.name, hollow: slot.rest.shape === 7, x: 0, y: py, field: field !== undefined, linked: slot.link !== null };
  });
  return {
    id: node.id, x, y, width, height, header: HEADER, inputs: ports, outputs: outputsOf(node, width, (slot) => HEADER + slot * ROW + ROW / 2), fields,
    picture: picture > 0 ? { y: at, height: foot - at } : undefined,
    foot,
  };
}

/** Fields that a pack has hidden: their sockets go with them. */
function hiddenInputs(defs: NodeDefs, state: DocumentState, graph: GraphId, node: Node, shown: readonly WidgetEntry[]): ReadonlySet<string> {
  const hidden = widgetsOf(defs, state, graph, node).filter(({ key, role }) => role === "value" && !shown.some((entry) => entry.key === key));
  return new Set(hidden.map(({ key }) => key));
}

/** Rows by the node's definition. */
function usualFields(defs: NodeDefs, state: DocumentState, graph: GraphId, node: Node): readonly ExtraField[] {
  const entries = widgetsOf(defs, state, graph, node).filter((entry) => entry.role !== "forced" && entry.input?.options.hidden !== true);
  return entries.map((entry) => ({ entry, height: isTall(entry) ? LEAST_TEXT : pitchOf(entry), grows: isTall(entry) }));
}

function outputsOf(node: Node, width: number, y: (slot: number) => number): Port[] {
  return node.outputs.map((slot, index) => ({
    key: index, type: slot.type, label: calm(slot.label ?? slot.name), hollow: false, x: width, y: y(index), field: false, linked: true,
  }));
}

function collapsedBox(node: Node, x: number, y: number, width: number): NodeBox {
  const inputs = node.inputs.map((slot): Port => ({ key: slot.name, type: slot.type, label: slot.name, hollow: false, x: 0, y: HEADER / 2, field: false, linked: slot.link !== null }));
  return { id: node.id, x, y, width, height: HEADER, header: HEADER, inputs, outputs: outputsOf(node, width, () => HEADER / 2), fields: [], picture: undefined, foot: HEADER };
}

/** A knot in a thread has no title. */
function rerouteBox(node: Node, drop: number): NodeBox {
  const [width, height] = [Math.max(44, Math.min(node.size[0], 75)), 26];
  const inputs = node.inputs.map((slot): Port => ({ key: slot.name, type: node.outputs[0]?.type ?? slot.type, label: "", hollow: false, x: 0, y: 13, field: false, linked: slot.link !== null }));
  const outputs = outputsOf(node, width, () => 13);
  return { id: node.id, x: node.pos[0], y: node.pos[1] + drop, width, height, header: 0, inputs, outputs, fields: [], picture: undefined, foot: height };
}

/** All the pictures in a grid, and a line of words beneath. */
function pictureHeight(width: number, { pictures, ratio }: Extras): number {
  if (pictures === 0) return 0;
  const columns = Math.ceil(Math.sqrt(pictures));
  const cell = ((width - 20) / columns) * ratio;
  return Math.min(MOST_PICTURE, Math.max(LEAST_PICTURE, cell * Math.ceil(pictures / columns))) + CAPTION;
}

/** The field's outputs shout their type; a label need not. */
export function calm(name: string): string {
  return name === name.toUpperCase() ? name.toLowerCase().replaceAll("_", " ") : name;
}
