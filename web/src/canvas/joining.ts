/** The gesture that wires two nodes by a stroke from one body to the other, whatever lies between. */
import { type Graph, type Link, type Point, connect, misfit, upstream } from "../graph";
import type { Gesture } from "./gestures";
import { portAt } from "./layout";
import type { NodeBox, Port } from "./node-box";
import { type Palette, colourOf } from "./palette";
import { wayBetween } from "./routes";
import type { Stage } from "./stage.svelte";

/** What a stroke would make, and where its ends are. */
interface Pair {
  readonly ends: Pick<Link, "from" | "to">;
  readonly type: string;
  readonly from: Point;
  readonly to: Point;
}

export class Join implements Gesture {
  readonly cursor = "crosshair";
  readonly #first: NodeBox | undefined;
  #at: Point;
  #pair: Pair | undefined;

  constructor(
    readonly stage: Stage,
    readonly start: Point,
  ) {
    this.#first = stage.hits.node(start);
    this.#at = start;
  }

  move(at: Point): void {
    this.#at = at;
    const over = this.stage.hits.node(at);
    this.#pair = this.#first && over && over.id !== this.#first.id ? pairOf(this.stage.graph, this.#first, over) : undefined;
    this.stage.invalidate();
  }

  end(): void {
    const pair = this.#pair;
    this.stage.invalidate();
    if (pair) this.stage.parts.document.execute(connect(this.stage.parts.view.scope, pair.ends.from, pair.ends.to));
  }

  cancel(): void {
    this.stage.invalidate();
  }

  paint(context: CanvasRenderingContext2D, palette: Palette, ratio: number): void {
    const { scale, offset } = this.stage.camera;
    const pair = this.#pair;
    context.setTransform(scale * ratio, 0, 0, scale * ratio, offset[0] * scale * ratio, offset[1] * scale * ratio);
    context.strokeStyle = pair ? colourOf(palette, pair.type) : palette.accent;
    context.lineWidth = 2 / Math.min(1, scale);
    if (pair) {
      context.stroke(wayBetween(pair.from, pair.to).path);
      return;
    }
    context.setLineDash([6 / scale, 4 / scale]);
    context.beginPath();
    context.moveTo(...this.start);
    context.lineTo(...this.#at);
    context.stroke();
    context.setLineDash([]);
  }
}

/**
 * The link that a stroke from one node to another makes: the first output that fits a free input, by order; sockets come
 * before fields, outputs that lead nowhere before others. A stroke against the threads' way is read the other way round.
 */
export function pairOf(graph: Graph, first: NodeBox, second: NodeBox): Pair | undefined {
  return along(graph, first, second) ?? along(graph, second, first);
}

function along(graph: Graph, from: NodeBox, to: NodeBox): Pair | undefined {
  if (upstream(graph, from.id).has(to.id)) return undefined; // it would close a loop
  const free = to.inputs.filter((port) => !port.linked);
  for (const field of [false, true])
    for (const input of free.filter((port) => port.field === field))
      for (const output of [...from.outputs].sort((a, b) => Number(a.linked) - Number(b.linked))) {
        const ends = endsOf(from, output, to, input);
        if (!misfit(graph, ends.from, ends.to)) return { ends, type: output.type, from: portAt(from, output), to: portAt(to, input) };
      }
  return undefined;
}

function endsOf(from: NodeBox, output: Port, to: NodeBox, input: Port): Pick<Link, "from" | "to"> {
  return { from: { node: from.id, slot: Number(output.key) }, to: { node: to.id, input: String(input.key) } };
}
