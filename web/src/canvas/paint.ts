/** What is drawn and not built of elements: the ground, frames, threads, and nodes seen from afar. */
import type { Camera, Graph, Group, GroupId, Link, LinkId, NodeId, Point, Rect } from "../graph";
import { overlaps, seen } from "./camera";
import type { Layout } from "./layout";
import type { NodeBox } from "./node-box";
import { tintOf } from "./tint";
import { type Palette, colourOf } from "./palette";
import type { Route, Routes } from "./routes";
import { paintNames } from "./portals";

/** How a node looks from afar. */
export interface Mark {
  readonly title: string;
  readonly colour: string | undefined;
  readonly state: "plain" | "running" | "error" | "off";
}

export interface Scene {
  readonly graph: Graph;
  readonly layout: Layout;
  readonly routes: Routes;
  readonly camera: Camera;
  /** Screen pixels. */
  readonly size: Point;
  readonly ratio: number;
  readonly palette: Palette;
  readonly far: boolean;
  /** Nodes without elements: they are drawn as blocks. */
  readonly blocks: Iterable<NodeId>;
  readonly selected: ReadonlySet<NodeId>;
  readonly selectedGroups: ReadonlySet<GroupId>;
  readonly selectedLinks: ReadonlySet<LinkId>;
  readonly hoveredLink: LinkId | undefined;
  readonly doomed: ReadonlySet<LinkId>;
  readonly thread: (link: Link) => "drawn" | "named";
  readonly mark: (id: NodeId) => Mark;
}

const DOTS = 24;
/** Radius of a point on a thread. */
const POINT = 5;
/** Beyond so many threads crossings are not told apart. */
const MOST_EDGED = 500;
/** Under this, a name cannot be read. */
const BARE_SCALE = 0.09;
/** From afar, so many threads are enough to see how things hang together. */
const MOST_STRAIGHT = 3000;

export class Painter {
  #dots: { readonly key: string; readonly pattern: CanvasPattern } | undefined;
  /** Ends of the letters of texts: the same few are asked for every frame. */
  readonly #widths = new Map<string, readonly number[]>();

  paint(context: CanvasRenderingContext2D, scene: Scene): void {
    const { camera, ratio, size, palette } = scene;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = palette.canvas;
    context.fillRect(0, 0, size[0], size[1]);
    this.#paintDots(context, scene);
    const scale = camera.scale * ratio;
    context.setTransform(scale, 0, 0, scale, camera.offset[0] * scale, camera.offset[1] * scale);
    this.#paintGroups(context, scene);
    this.#paintThreads(context, scene);
    this.#paintBlocks(context, scene);
  }

  /** A quiet ground that shows where one is; coarser from afar. */
  #paintDots(context: CanvasRenderingContext2D, { camera, ratio, size, palette }: Scene): void {
    if (camera.scale < 0.2) return;
    let step = DOTS * camera.scale;
    while (step < 14) step *= 2;
    const pixels = Math.max(4, Math.round(step * ratio));
    const key = `${palette.dot} ${pixels}`;
    if (this.#dots?.key !== key) {
      const tile = new OffscreenCanvas(pixels, pixels);
      const brush = tile.getContext("2d");
      if (!brush) return;
      brush.fillStyle = palette.dot;
      brush.beginPath();
      brush.arc(pixels / 2, pixels / 2, Math.max(0.8, 1.1 * ratio * Math.min(1.2, camera.scale)), 0, Math.PI * 2);
      brush.fill();
      const pattern = context.createPattern(tile, "repeat");
      if (!pattern) return;
      this.#dots = { key, pattern };
    }
    const [x, y] = [camera.offset[0] * camera.scale * ratio, camera.offset[1] * camera.scale * ratio];
    context.setTransform(1, 0, 0, 1, 0, 0);
    this.#dots.pattern.setTransform(new DOMMatrix().translate(x % pixels, y % pixels));
    context.fillStyle = this.#dots.pattern;
    context.fillRect(0, 0, size[0] * ratio, size[1] * ratio);
  }

  #paintGroups(context: CanvasRenderingContext2D, { graph, layout, palette, camera, selectedGroups, size }: Scene): void {
    const area = seen(camera, size);
    for (const group of graph.groups.values()) {
      const rect = layout.group(group.id);
      if (rect && overlaps(rect, area)) this.#paintGroup(context, group, rect, palette, camera.scale, selectedGroups.has(group.id));
    }
  }

  #paintGroup(context: CanvasRenderingContext2D, group: Group, [x, y, width, height]: Rect, palette: Palette, scale: number, selected: boolean): void {
    context.beginPath();
    context.roundRect(x, y, width, height, 14);
    context.globalAlpha = 0.07;
    context.fillStyle = tintOf(group.color) ?? palette.kinds.model;
    context.fill();
    context.globalAlpha = 1;
    context.strokeStyle = selected ? palette.accent : palette.lineStrong;
    context.lineWidth = Math.max(1, 1 / scale);
    context.setLineDash([4, 4]);
    context.stroke();
    context.setLineDash([]);
    const size = Math.min(40, Math.max(12, 11 / scale));
    if (width * scale < 40) return;
    context.font = `600 ${size}px ${palette.font}`;
    context.fillStyle = palette.soft;
    context.textBaseline = "top";
    context.fillText(this.#fitted(context, group.title, width - 28, size), x + 14, y + 9);
  }

  #paintThreads(context: CanvasRenderingContext2D, scene: Scene): void {
    const area = seen(scene.camera, scene.size);
    const shown: Route[] = [];
    const named: Link[] = [];
    for (const link of scene.graph.links.values()) {
      const route = scene.routes.of(link);
      if (!route || !overlaps(route.way.bounds, area)) continue;
      if (scene.thread(link) === "drawn") shown.push(route);
      else named.push(link);
    }
    context.lineCap = "butt";
    if (scene.far) this.#paintStraight(context, scene, shown);
    else this.#paintWoven(context, scene, shown);
    if (!scene.far) paintNames(context, scene, named);
  }

  /** Each thread with an edge of the ground's colour, so that one passes over the other. */
  #paintWoven(context: CanvasRenderingContext2D, scene: Scene, shown: readonly Route[]): void {
    const { palette, camera } = scene;
    const width = Math.max(1.4, 2 * Math.min(1, camera.scale)) / camera.scale;
    const edged = shown.length <= MOST_EDGED;
    for (const route of shown) {
      const doomed = scene.doomed.has(route.id);
      const strong = doomed || scene.selectedLinks.has(route.id) || scene.hoveredLink === route.id;
      if (edged) {
        context.strokeStyle = palette.canvas;
        context.lineWidth = width * (strong ? 3.5 : 2.5);
        context.stroke(route.way.path);
      }
      context.strokeStyle = doomed ? palette.bad : scene.selectedLinks.has(route.id) ? palette.accent : colourOf(palette, route.type);
      context.lineWidth = width * (strong ? 1.6 : 1);
      context.stroke(route.way.path);
      for (const { pos } of route.points) {
        context.beginPath();
        context.arc(pos[0], pos[1], POINT, 0, 2 * Math.PI);
        context.fillStyle = context.strokeStyle;
        context.fill();
      }
    }
  }

  /** From afar: straight lines, all of one colour at once. */
  #paintStraight(context: CanvasRenderingContext2D, scene: Scene, shown: readonly Route[]): void {
    const byColour = new Map<string, Path2D>();
    const every = Math.ceil(shown.length / MOST_STRAIGHT);
    for (const [index, { type, from, to }] of shown.entries()) {
      if (index % every > 0) continue;
      const colour = colourOf(scene.palette, type);
      let path = byColour.get(colour);
      if (!path) byColour.set(colour, (path = new Path2D()));
      path.moveTo(from[0], from[1]);
      path.lineTo(to[0], to[1]);
    }
    context.lineWidth = 1.2 / scene.camera.scale;
    context.globalAlpha = scene.camera.scale < 0.15 ? 0.5 : 0.8;
    for (const [colour, path] of byColour) {
      context.strokeStyle = colour;
      context.stroke(path);
    }
    context.globalAlpha = 1;
  }

  /** Nodes as named blocks; from very far, as bare ones. */
  #paintBlocks(context: CanvasRenderingContext2D, scene: Scene): void {
    const { palette, camera, layout, selected } = scene;
    if (camera.scale < BARE_SCALE) return this.#paintBare(context, scene);
    const font = Math.max(13, Math.min(44, 11.5 / camera.scale));
    context.textBaseline = "middle";
    context.font = `600 ${font}px ${palette.font}`;
    for (const id of scene.blocks) {
      const box = layout.box(id);
      if (!box) continue;
      const mark = scene.mark(id);
      context.beginPath();
      context.roundRect(box.x, box.y, box.width, box.height, 10);
      context.globalAlpha = mark.state === "off" ? 0.5 : 1;
      context.fillStyle = palette.raised;
      context.fill();
      if (mark.colour) {
        context.globalAlpha = 0.25;
        context.fillStyle = mark.colour;
        context.fill();
        context.globalAlpha = 1;
      }
      const edge = mark.state === "error" ? palette.bad : mark.state === "running" || selected.has(id) ? palette.accent : palette.lineStrong;
      context.strokeStyle = edge;
      context.lineWidth = (edge === palette.lineStrong ? 1 : 2) / camera.scale;
      context.stroke();
      if (box.header > 0) this.#paintName(context, mark.title, box.x, box.y, box.width, box.height, font, palette.text);
      context.globalAlpha = 1;
    }
  }

  #paintBare(context: CanvasRenderingContext2D, { blocks, layout, selected, mark, palette }: Scene): void {
    context.fillStyle = palette.lineStrong;
    const loud: [string, NodeBox][] = [];
    for (const id of blocks) {
      const box = layout.box(id);
      if (!box) continue;
      const { state } = mark(id);
      if (state === "error" || state === "running" || selected.has(id)) loud.push([state === "error" ? palette.bad : palette.accent, box]);
      else context.fillRect(box.x, box.y, box.width, box.height);
    }
    for (const [colour, box] of loud) {
      context.fillStyle = colour;
      context.fillRect(box.x, box.y, box.width, box.height);
    }
  }

  #paintName(context: CanvasRenderingContext2D, title: string, x: number, y: number, width: number, height: number, font: number, colour: string): void {
    context.fillStyle = colour;
    context.fillText(this.#fitted(context, title, width - font, font), x + font * 0.5, y + Math.min(height / 2, font * 1.1));
  }

  /** A text cut to a width. The context's font is of `size`, with the weight that all names have. */
  #fitted(context: CanvasRenderingContext2D, text: string, width: number, size: number): string {
    const ends = this.#widths.get(text) ?? this.#measured(context, text, size);
    if ((ends.at(-1) ?? 0) * size <= width) return text;
    let letters = ends.length;
    while (letters > 1 && ((ends[letters - 1] ?? 0) + 0.8) * size > width) letters -= 1;
    return `${text.slice(0, letters)}…`;
  }

  /** Where each letter ends, for a font of one unit: measured once a text, whatever the zoom. */
  #measured(context: CanvasRenderingContext2D, text: string, size: number): readonly number[] {
    const ends = Array.from(text, (_, index) => context.measureText(text.slice(0, index + 1)).width / size);
    if (this.#widths.size > 5000) this.#widths.clear();
    this.#widths.set(text, ends);
    return ends;
  }
}
