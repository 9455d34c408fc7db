/** The gesture that draws a thread. */
import { type Point, connect, disconnect, moveLinkEnd } from "../graph";
import type { Gesture } from "./gestures";
import type { Hit } from "./hit";
import { portAt } from "./layout";
import { type Palette, colourOf } from "./palette";
import { wayBetween } from "./routes";
import type { Stage } from "./stage.svelte";
import { type Wire, type WireEnd, beginWire, fits, joined } from "./wire";

/** Draw a thread from one port to another. */
export class Weave implements Gesture {
  readonly cursor = "crosshair";
  readonly #wire: Wire;
  readonly #anchor: Point;
  #at: Point;
  #moved = false;

  constructor(
    readonly stage: Stage,
    hit: Hit & { kind: "port" },
    start: Point,
    /** The thread was dropped where nothing is. */
    readonly dropped: (wire: Wire, at: Point, event: PointerEvent) => void,
  ) {
    const { graph, layout } = stage;
    const held = hit.side === "input" ? graph.nodes.get(hit.node)?.inputs.find((slot) => slot.name === hit.port.key)?.link : undefined;
    const link = held === null || held === undefined ? undefined : graph.links.get(held);
    const end: WireEnd = link
      ? { side: "output", node: link.from.node, slot: link.from.slot, type: graph.nodes.get(link.from.node)?.outputs[link.from.slot]?.type ?? link.type }
      : hit.side === "output"
        ? { side: "output", node: hit.node, slot: Number(hit.port.key), type: hit.port.type }
        : { side: "input", node: hit.node, input: String(hit.port.key), type: hit.port.type };
    this.#wire = beginWire(graph, end, link?.id);
    const box = layout.box(end.node);
    const port = end.side === "output" ? box?.outputs[end.slot] : box?.inputs.find(({ key }) => key === end.input);
    this.#anchor = box && port ? portAt(box, port) : start;
    this.#at = start;
  }

  move(at: Point): void {
    if (!this.#moved) this.stage.wire = this.#wire;
    this.#moved = true;
    this.#at = at;
    this.#aim(at);
    this.stage.invalidate();
  }

  /** The nearest port that fits, or the first of the node under the pointer. */
  #aim(at: Point): void {
    const { hits, layout, graph } = this.stage;
    const wire = this.#wire;
    const near = hits.port(at, 22 / Math.min(1, this.stage.camera.scale), (node, side, port) => fits(wire, node, side, port.type, port.field));
    const beneath = near ? undefined : hits.node(at);
    const wanted = wire.start.side === "output" ? beneath?.inputs : beneath?.outputs;
    const first = beneath && [...(wanted ?? [])]
      .filter((port) => fits(wire, beneath.id, wire.start.side === "output" ? "input" : "output", port.type, port.field))
      .sort((a, b) => Number(a.field) - Number(b.field) || Number(a.linked) - Number(b.linked))[0];
    const node = near?.node ?? beneath?.id;
    const port = near?.port ?? first;
    const box = node === undefined ? undefined : layout.box(node);
    this.stage.aim = node !== undefined && port && box && joined(graph, wire, node, port.key) ? { node, key: port.key, at: portAt(box, port) } : undefined;
  }

  end(event: PointerEvent): void {
    const { document, view } = this.stage.parts;
    const { aim, graph } = this.stage;
    const wire = this.#wire;
    this.#clear();
    if (!this.#moved) return;
    const ends = aim && joined(graph, wire, aim.node, aim.key);
    if (ends) {
      const same = wire.taken !== undefined && graph.links.get(wire.taken)?.to.node === ends.to.node && graph.links.get(wire.taken)?.to.input === ends.to.input;
      if (same) return;
      document.execute(wire.taken === undefined ? connect(view.scope, ends.from, ends.to) : moveLinkEnd(view.scope, wire.taken, ends.to));
    } else if (this.stage.hits.node(this.#at)) return;
    else if (wire.taken !== undefined) document.execute(disconnect(view.scope, [wire.taken]));
    else this.dropped(wire, this.#at, event);
  }

  cancel(): void {
    this.#clear();
  }

  #clear(): void {
    this.stage.wire = undefined;
    this.stage.aim = undefined;
    this.stage.invalidate();
  }

  paint(context: CanvasRenderingContext2D, palette: Palette, ratio: number): void {
    if (!this.#moved) return;
    const { scale, offset } = this.stage.camera;
    context.setTransform(scale * ratio, 0, 0, scale * ratio, offset[0] * scale * ratio, offset[1] * scale * ratio);
    const end = this.stage.aim?.at ?? this.#at;
    const [from, to] = this.#wire.start.side === "output" ? [this.#anchor, end] : [end, this.#anchor];
    context.strokeStyle = colourOf(palette, this.#wire.start.type);
    context.lineWidth = 2 / Math.min(1, scale);
    context.stroke(wayBetween(from, to).path);
    context.fillStyle = context.strokeStyle;
    context.beginPath();
    context.arc(end[0], end[1], this.stage.aim ? 6 : 4, 0, Math.PI * 2);
    context.fill();
  }
}
