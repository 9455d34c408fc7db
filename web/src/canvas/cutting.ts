/** The gesture that cuts threads by a stroke across them. */
import { type LinkId, type Point, type Rect, disconnect } from "../graph";
import { between, overlaps } from "./camera";
import type { Gesture } from "./gestures";
import type { Palette } from "./palette";
import type { Stage } from "./stage.svelte";

export class Cut implements Gesture {
  readonly cursor = "crosshair";
  readonly #stroke: Point[];

  constructor(
    readonly stage: Stage,
    start: Point,
  ) {
    this.#stroke = [start];
  }

  move(at: Point): void {
    const last = this.#stroke.at(-1) ?? at;
    if (Math.hypot(at[0] - last[0], at[1] - last[1]) * this.stage.camera.scale < 2) return;
    this.#stroke.push(at);
    const cut = this.#crossed(last, at);
    if (cut.length > 0) this.stage.doomed = new Set([...this.stage.doomed, ...cut]);
    this.stage.invalidate();
  }

  end(): void {
    const { document, view } = this.stage.parts;
    const cut = this.stage.doomed;
    this.cancel();
    if (cut.size > 0) document.execute({ ...disconnect(view.scope, cut), label: cut.size === 1 ? "Cut a thread" : "Cut threads" });
  }

  cancel(): void {
    this.stage.doomed = new Set();
    this.stage.invalidate();
  }

  #crossed(a: Point, b: Point): LinkId[] {
    const area = between(a, b);
    const grown: Rect = [area[0] - 1, area[1] - 1, area[2] + 2, area[3] + 2];
    const found: LinkId[] = [];
    for (const link of this.stage.graph.links.values()) {
      const route = this.stage.threadOf(link) === "drawn" ? this.stage.routes.of(link) : undefined;
      if (route && overlaps(route.way.bounds, grown) && crosses(route.way.points, a, b)) found.push(link.id);
    }
    return found;
  }

  paint(context: CanvasRenderingContext2D, palette: Palette, ratio: number): void {
    const { scale, offset } = this.stage.camera;
    context.setTransform(scale * ratio, 0, 0, scale * ratio, offset[0] * scale * ratio, offset[1] * scale * ratio);
    context.strokeStyle = palette.bad;
    context.lineWidth = 1.5 / scale;
    context.setLineDash([6 / scale, 4 / scale]);
    context.beginPath();
    for (const [index, [x, y]] of this.#stroke.entries()) {
      if (index === 0) context.moveTo(x, y);
      else context.lineTo(x, y);
    }
    context.stroke();
    context.setLineDash([]);
  }
}

/** Whether a line of points crosses the piece from `a` to `b`. */
export function crosses(points: readonly Point[], a: Point, b: Point): boolean {
  return points.some((point, index) => {
    const next = points[index + 1];
    return next !== undefined && apart(side(a, b, point), side(a, b, next)) && apart(side(point, next, a), side(point, next, b));
  });
}

/** On two sides of a line; what lies on it belongs to one of them, so that no corner is missed. */
function apart(one: number, other: number): boolean {
  return one >= 0 !== other >= 0;
}

function side([ax, ay]: Point, [bx, by]: Point, [px, py]: Point): number {
  return (bx - ax) * (py - ay) - (by - ay) * (px - ax);
}
