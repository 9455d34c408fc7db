/** The ways of threads. */
import { type Graph, type Link, type LinkId, type LinkPoint, type NodeId, type Point, type Rect, boundsAround, pointsOn } from "../graph";
import type { Layout } from "./layout";
import { portAt } from "./layout";

/** A thread's way. What the painter and the pointer need of it is made when it is asked for. */
export interface Way {
  readonly bounds: Rect;
  readonly path: Path2D;
  /** Points along it, for the pointer. */
  readonly points: readonly Point[];
}

export interface Route {
  readonly id: LinkId;
  readonly type: string;
  readonly from: Point;
  readonly to: Point;
  readonly way: Way;
  /** Points on it that a person may move. */
  readonly points: readonly LinkPoint[];
}

const AROUND = 26;
const CORNER = 22;
/** A thread that goes less than this to the right goes round. */
const BACK = 24;

export class Routes {
  readonly #routes = new Map<LinkId, Route | null>();

  constructor(readonly layout: Layout) {}

  clear(): void {
    this.#routes.clear();
  }

  /** Forget the ways of threads at these nodes, and of these threads. */
  forget(nodes: ReadonlySet<NodeId>, graph: Graph, links: Iterable<LinkId> = []): void {
    for (const id of links) this.#routes.delete(id);
    if (nodes.size === 0) return;
    for (const link of graph.links.values()) if (nodes.has(link.from.node) || nodes.has(link.to.node)) this.#routes.delete(link.id);
  }

  /** Undefined where an end is not drawn. */
  of(link: Link): Route | undefined {
    let route = this.#routes.get(link.id);
    if (route === undefined) {
      route = this.#make(link) ?? null;
      this.#routes.set(link.id, route);
    }
    return route ?? undefined;
  }

  #make(link: Link): Route | undefined {
    const source = this.layout.box(link.from.node);
    const target = this.layout.box(link.to.node);
    const output = source?.outputs[link.from.slot];
    const input = target?.inputs.find((port) => port.key === link.to.input);
    if (!source || !target || !output || !input) return undefined;
    const [from, to] = [portAt(source, output), portAt(target, input)];
    const rects: [Rect, Rect] = [[source.x, source.y, source.width, source.height], [target.x, target.y, target.width, target.height]];
    const points = pointsOn(this.layout.graph, link);
    const way = points.length === 0 ? wayBetween(from, to, rects) : new Through([from, ...points.map(({ pos }) => pos), to]);
    return { id: link.id, type: link.type, from, to, way, points };
  }
}

/** One curve after the other. */
class Through implements Way {
  readonly bounds: Rect;
  readonly #curves: readonly Curve[];
  #path: Path2D | undefined;

  constructor(stops: readonly Point[]) {
    this.#curves = stops.slice(1).map((stop, index) => new Curve(stops[index] ?? stop, stop));
    this.bounds = boundsAround(this.#curves.map(({ bounds }) => bounds)) ?? [0, 0, 0, 0];
  }

  get path(): Path2D {
    if (!this.#path) {
      this.#path = new Path2D();
      for (const { path } of this.#curves) this.#path.addPath(path);
    }
    return this.#path;
  }

  get points(): readonly Point[] {
    return this.#curves.flatMap(({ points }) => points);
  }
}

/** A curve to the right; to the left, round the nodes. `around`: what both ends belong to. */
export function wayBetween(from: Point, to: Point, around?: readonly [Rect, Rect]): Way {
  if (to[0] >= from[0] + BACK || !around) return new Curve(from, to);
  return new Roundabout(from, to, detour(from, to, around));
}

class Curve implements Way {
  readonly bounds: Rect;
  readonly #bend: number;
  #path: Path2D | undefined;
  #points: Point[] | undefined;

  constructor(
    readonly from: Point,
    readonly to: Point,
  ) {
    const [x1, y1] = from;
    const [x2, y2] = to;
    const bend = Math.min(180, Math.max(Math.min(30, Math.hypot(x2 - x1, y2 - y1) / 2), Math.abs(x2 - x1) * 0.42));
    this.#bend = bend;
    this.bounds = boundsOfPoints([from, to, [x1 + bend, y1], [x2 - bend, y2]]);
  }

  get path(): Path2D {
    if (!this.#path) {
      const [[x1, y1], [x2, y2], bend] = [this.from, this.to, this.#bend];
      this.#path = new Path2D();
      this.#path.moveTo(x1, y1);
      this.#path.bezierCurveTo(x1 + bend, y1, x2 - bend, y2, x2, y2);
    }
    return this.#path;
  }

  get points(): readonly Point[] {
    const [[x1, y1], [x2, y2], bend] = [this.from, this.to, this.#bend];
    this.#points ??= Array.from({ length: 17 }, (_, step) => bezier(step / 16, x1, y1, x1 + bend, y1, x2 - bend, y2, x2, y2));
    return this.#points;
  }
}

function bezier(t: number, x1: number, y1: number, ax: number, ay: number, bx: number, by: number, x2: number, y2: number): Point {
  const u = 1 - t;
  const [a, b, c, d] = [u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t];
  return [a * x1 + b * ax + c * bx + d * x2, a * y1 + b * ay + c * by + d * y2];
}

/** Height at which a thread goes back: between the nodes where there is room, else beneath both. */
function detour(from: Point, to: Point, [source, target]: readonly [Rect, Rect]): number {
  const room = 3;
  const [sourceEnd, targetEnd] = [source[1] + source[3], target[1] + target[3]];
  if (target[1] - sourceEnd >= room) return (sourceEnd + target[1]) / 2;
  if (source[1] - targetEnd >= room) return (targetEnd + source[1]) / 2;
  const above = Math.min(source[1], target[1]) - 22;
  const below = Math.max(sourceEnd, targetEnd) + 22;
  return from[1] + to[1] - 2 * above < 2 * below - from[1] - to[1] ? above : below;
}

class Roundabout implements Way {
  readonly bounds: Rect;
  readonly points: readonly Point[];
  #path: Path2D | undefined;

  constructor([x1, y1]: Point, [x2, y2]: Point, mid: number) {
    this.points = [[x1, y1], [x1 + AROUND, y1], [x1 + AROUND, mid], [x2 - AROUND, mid], [x2 - AROUND, y2], [x2, y2]];
    this.bounds = boundsOfPoints(this.points);
  }

  get path(): Path2D {
    this.#path ??= rounded(this.points);
    return this.#path;
  }
}

function rounded(points: readonly Point[]): Path2D {
  const path = new Path2D();
  const [start, end] = [points[0], points.at(-1)];
  if (!start || !end) return path;
  path.moveTo(...start);
  for (let index = 1; index < points.length - 1; index += 1) {
    const [before, corner, after] = [points[index - 1], points[index], points[index + 1]];
    if (!before || !corner || !after) continue;
    const radius = Math.min(CORNER, distance(before, corner) / 2, distance(corner, after) / 2);
    path.arcTo(corner[0], corner[1], after[0], after[1], radius);
  }
  path.lineTo(...end);
  return path;
}

export function distance([ax, ay]: Point, [bx, by]: Point): number {
  return Math.hypot(ax - bx, ay - by);
}

function boundsOfPoints(points: readonly Point[]): Rect {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of points) {
    left = Math.min(left, x);
    top = Math.min(top, y);
    right = Math.max(right, x);
    bottom = Math.max(bottom, y);
  }
  return [left - 4, top - 4, right - left + 8, bottom - top + 8];
}

/** How far a point is from a way, in the way's own units. */
export function distanceTo({ points }: Pick<Way, "points">, at: Point): number {
  let least = Infinity;
  for (let index = 1; index < points.length; index += 1) {
    const [a, b] = [points[index - 1], points[index]];
    if (a && b) least = Math.min(least, distanceToSegment(at, a, b));
  }
  return least;
}

function distanceToSegment([px, py]: Point, [ax, ay]: Point, [bx, by]: Point): number {
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  const along = length === 0 ? 0 : Math.min(1, Math.max(0, ((px - ax) * dx + (py - ay) * dy) / length));
  return Math.hypot(px - ax - along * dx, py - ay - along * dy);
}
