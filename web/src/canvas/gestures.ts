/** What a pointer can do while it is down: each gesture moves, ends, or is taken back. Here: looking and choosing. */
import { type NodeId, type Point, type Rect, isBoundary } from "../graph";
import { between, panned, toGraph } from "./camera";
import type { Palette } from "./palette";
import type { Stage } from "./stage.svelte";

export interface Gesture {
  readonly cursor?: string;
  /** @param at graph units; `screen` pixels of the canvas. */
  move(at: Point, screen: Point, event: PointerEvent): void;
  end(event: PointerEvent): void;
  cancel(): void;
  paint?(context: CanvasRenderingContext2D, palette: Palette, ratio: number): void;
}

export class Pan implements Gesture {
  readonly cursor = "grabbing";
  #moved = false;
  #last: Point;

  constructor(
    readonly stage: Stage,
    start: Point,
    /** A click on the ground. */
    readonly clicked: () => void,
  ) {
    this.#last = start;
  }

  move(_at: Point, screen: Point): void {
    const [dx, dy] = [screen[0] - this.#last[0], screen[1] - this.#last[1]];
    if (!this.#moved && Math.hypot(dx, dy) < 3) return;
    this.#moved = true;
    this.#last = screen;
    this.stage.parts.view.setCamera(panned(this.stage.camera, dx, dy));
  }

  end(): void {
    if (!this.#moved) this.clicked();
  }

  cancel(): void {}
}

/** Draw a rectangle: what it touches is chosen. */
export class Box implements Gesture {
  readonly cursor = "crosshair";
  #to: Point;

  constructor(
    readonly stage: Stage,
    readonly start: Point,
    /** Chosen before, and kept. */
    readonly kept: ReadonlySet<NodeId>,
  ) {
    this.#to = start;
  }

  get #rect(): Rect {
    return between(this.start, this.#to);
  }

  move(at: Point): void {
    this.#to = at;
    const rect = this.#rect;
    const { layout, parts } = this.stage;
    const groups = [...layout.groups].filter((id) => {
      const group = layout.group(id);
      return group && group[0] >= rect[0] && group[1] >= rect[1] && group[0] + group[2] <= rect[0] + rect[2] && group[1] + group[3] <= rect[1] + rect[3];
    });
    parts.view.select([...this.kept, ...layout.grid.query(rect)].filter((id) => !isBoundary(id)), groups);
    this.stage.invalidate();
  }

  end(): void {
    this.stage.invalidate();
  }

  cancel(): void {
    this.stage.parts.view.select(this.kept);
  }

  paint(context: CanvasRenderingContext2D, palette: Palette, ratio: number): void {
    const { scale, offset } = this.stage.camera;
    const [x, y, width, height] = this.#rect;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.strokeStyle = palette.accent;
    context.fillStyle = palette.accent;
    const rect: Rect = [(x + offset[0]) * scale, (y + offset[1]) * scale, width * scale, height * scale];
    context.globalAlpha = 0.08;
    context.fillRect(...rect);
    context.globalAlpha = 1;
    context.strokeRect(...rect);
  }
}

/** Two fingers: the point between them stays between them. */
export class Pinch {
  #last: { readonly middle: Point; readonly apart: number } | undefined;

  constructor(readonly stage: Stage) {}

  move(a: Point, b: Point): void {
    const middle: Point = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    const apart = Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
    const last = this.#last;
    this.#last = { middle, apart };
    if (!last) return;
    const { view } = this.stage.parts;
    const before = view.camera;
    const still = toGraph(before, last.middle);
    const scale = Math.min(3, Math.max(0.02, (before.scale * apart) / last.apart));
    view.setCamera({ scale, offset: [middle[0] / scale - still[0], middle[1] / scale - still[1]] });
  }
}
