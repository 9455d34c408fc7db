/** Threads that are not drawn: a short end at each side, and the name of what lies at the other where there is room for it. */
import type { Link, Point, Rect } from "../graph";
import { overlaps } from "./camera";
import type { Scene } from "./paint";
import { type Palette, colourOf } from "./palette";

const END = 14;
const HEIGHT = 18;
const FONT = 11;
const RING = 3;
const MOST_LETTERS = 24;

/** Places that are taken: by nodes, and by names. */
class Room {
  readonly #names: Rect[] = [];

  constructor(readonly scene: Scene) {}

  take(rect: Rect): boolean {
    if (this.#names.some((other) => overlaps(rect, other)) || this.scene.layout.grid.query(rect).size > 0) return false;
    this.#names.push(rect);
    return true;
  }
}

export function paintNames(context: CanvasRenderingContext2D, scene: Scene, links: readonly Link[]): void {
  if (links.length === 0) return;
  const { palette } = scene;
  const room = new Room(scene);
  context.font = `500 ${FONT}px ${palette.font}`;
  context.textBaseline = "middle";
  const readers = new Map<string, { readonly link: Link; readonly at: Point; readonly names: string[] }>();
  for (const link of links) {
    const route = scene.routes.of(link);
    if (!route) continue;
    paintEnd(context, palette, room, route.to, -1, scene.mark(link.from.node).title, colourOf(palette, route.type));
    const key = `${link.from.node} ${link.from.slot}`;
    const known = readers.get(key) ?? { link, at: route.from, names: [] };
    known.names.push(scene.mark(link.to.node).title);
    readers.set(key, known);
  }
  for (const { link, at, names } of readers.values()) {
    const words = names.length === 1 ? names[0] ?? "" : `${names.length} readers`;
    paintEnd(context, palette, room, at, 1, words, colourOf(palette, link.type));
  }
}

/** @param way 1: to the right of an output, -1: to the left of an input. */
function paintEnd(context: CanvasRenderingContext2D, palette: Palette, room: Room, [x, y]: Point, way: 1 | -1, text: string, colour: string): void {
  const words = text.length > MOST_LETTERS ? `${text.slice(0, MOST_LETTERS - 1)}…` : text;
  const width = context.measureText(words).width + 14;
  const left = way === 1 ? x + END : x - END - width;
  const named = room.take([left, y - HEIGHT / 2, width, HEIGHT]);
  context.strokeStyle = colour;
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x + way * (END - (named ? 0 : RING)), y);
  context.stroke();
  context.beginPath();
  if (named) context.roundRect(left, y - HEIGHT / 2, width, HEIGHT, HEIGHT / 2);
  else context.arc(x + way * END, y, RING, 0, 2 * Math.PI);
  context.fillStyle = palette.panel;
  context.fill();
  context.lineWidth = named ? 1.2 : 1.6;
  context.stroke();
  context.fillStyle = palette.soft;
  if (named) context.fillText(words, left + 7, y + 0.5);
}
