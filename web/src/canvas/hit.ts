/** What lies under the pointer, by geometry: it works where nodes have no elements too. */
import { type Graph, type GroupId, type Link, type LinkId, type NodeId, type Point, type Rect, pointsOf } from "../graph";
import { holds } from "./camera";
import { type Layout, portAt } from "./layout";
import { HEADER, type NodeBox, type Port } from "./node-box";
import { type Routes, distance, distanceTo } from "./routes";

export type Hit =
  | { readonly kind: "port"; readonly node: NodeId; readonly side: "input" | "output"; readonly port: Port }
  | { readonly kind: "corner"; readonly node: NodeId }
  | { readonly kind: "node"; readonly node: NodeId; readonly title: boolean }
  | { readonly kind: "link"; readonly link: LinkId }
  | { readonly kind: "point"; readonly point: number }
  | { readonly kind: "group"; readonly group: GroupId; readonly part: "title" | "corner" }
  | { readonly kind: "ground" };

const PORT_REACH = 10;
const FIELD_PORT_REACH = 7;
const LINK_REACH = 6;
const CORNER = 12;

export class Hits {
  constructor(
    readonly layout: Layout,
    readonly routes: Routes,
    readonly graph: () => Graph,
    /** Nodes lying above the others: those that are chosen. */
    readonly raised: () => ReadonlySet<NodeId>,
    /** Whether a thread is drawn as a line. */
    readonly drawn: (link: Link) => boolean = () => true,
  ) {}

  /** @param scale pixels to a graph unit: from afar, small things are not asked for. */
  at(point: Point, scale: number): Hit {
    if (scale > 0.3) {
      const port = this.port(point, PORT_REACH / Math.min(1, scale));
      if (port) return port;
    }
    const node = this.node(point);
    if (node) return this.#partOf(node, point);
    const knot = scale > 0.2 ? this.#point(point, LINK_REACH / Math.min(1, scale)) : undefined;
    if (knot !== undefined) return { kind: "point", point: knot };
    const link = scale > 0.12 ? this.link(point, LINK_REACH / scale) : undefined;
    if (link !== undefined) return { kind: "link", link };
    return this.#group(point) ?? { kind: "ground" };
  }

  /** The nearest port within reach. `wanted` leaves some out. */
  port(point: Point, reach: number, wanted: (node: NodeId, side: "input" | "output", port: Port) => boolean = seenPort): (Hit & { kind: "port" }) | undefined {
    let best: (Hit & { kind: "port" }) | undefined;
    let least = reach;
    for (const id of this.layout.grid.query(around(point, reach))) {
      const box = this.layout.box(id);
      if (!box) continue;
      for (const [side, ports] of [["output", box.outputs], ["input", box.inputs]] as const) {
        for (const port of ports) {
          const away = distance(portAt(box, port), point);
          const most = port.field ? Math.min(least, Math.max(FIELD_PORT_REACH, reach - 4)) : least;
          if (away >= most || !wanted(id, side, port)) continue;
          least = away;
          best = { kind: "port", node: id, side, port };
        }
      }
    }
    return best;
  }

  /** The topmost node here. */
  node(point: Point): NodeBox | undefined {
    const found = [...this.layout.grid.query(around(point, 1))].flatMap((id) => {
      const box = this.layout.box(id);
      return box && holds([box.x, box.y, box.width, box.height], point) ? [box] : [];
    });
    if (found.length < 2) return found[0];
    const raised = this.raised();
    const order = new Map([...this.graph().nodes.keys()].map((id, index) => [id, index]));
    const rank = (box: NodeBox): number => (order.get(box.id) ?? 0) + (raised.has(box.id) ? order.size : 0);
    return found.reduce((top, box) => (rank(box) > rank(top) ? box : top));
  }

  /** The nearest thread, among those that may be meant. */
  link(point: Point, reach: number, meant: (link: Link) => boolean = () => true): LinkId | undefined {
    let best: LinkId | undefined;
    let least = reach;
    for (const link of this.graph().links.values()) {
      const route = this.drawn(link) ? this.routes.of(link) : undefined;
      if (!route || !holds(grown(route.way.bounds, reach), point)) continue;
      const away = distanceTo(route.way, point);
      if (away >= least || !meant(link)) continue;
      least = away;
      best = link.id;
    }
    return best;
  }

  /** A point on a thread. */
  #point(at: Point, reach: number): number | undefined {
    for (const { id, pos } of pointsOf(this.graph()).values()) if (distance(pos, at) < reach + 2) return id;
    return undefined;
  }

  #partOf(box: NodeBox, [x, y]: Point): Hit {
    const corner = box.header > 0 && box.height > HEADER && x > box.x + box.width - CORNER && y > box.y + box.height - CORNER;
    if (corner) return { kind: "corner", node: box.id };
    return { kind: "node", node: box.id, title: y < box.y + Math.max(box.header, 1) };
  }

  #group(point: Point): Hit | undefined {
    for (const id of [...this.layout.groups].reverse()) {
      const rect = this.layout.group(id);
      if (!rect || !holds(rect, point)) continue;
      const [x, y, width, height] = rect;
      if (point[1] < y + 34) return { kind: "group", group: id, part: "title" };
      if (point[0] > x + width - CORNER && point[1] > y + height - CORNER) return { kind: "group", group: id, part: "corner" };
    }
    return undefined;
  }
}

function seenPort(_node: NodeId, _side: "input" | "output", port: Port): boolean {
  return !port.field || port.linked;
}

function around([x, y]: Point, reach: number): Rect {
  return [x - reach, y - reach, reach * 2, reach * 2];
}

function grown([x, y, width, height]: Rect, by: number): Rect {
  return [x - by, y - by, width + 2 * by, height + 2 * by];
}
