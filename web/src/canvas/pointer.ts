/** Pointer events of the canvas: which gesture begins where. */
import { type GroupId, type NodeId, type Point, REROUTE, disconnect, isBoundary, removePoint } from "../graph";
import { panned, zoomed } from "./camera";
import { Move, MovePoint, Resize, ResizeGroup, insideGroups } from "./carrying";
import { Cut } from "./cutting";
import { Box, type Gesture, Pan, Pinch } from "./gestures";
import type { Hit } from "./hit";
import { Join } from "./joining";
import type { Stage } from "./stage.svelte";
import { Weave } from "./weaving";
import type { Wire } from "./wire";

/** What the canvas asks of the app around it. */
export interface PointerHost {
  /** Open the list of nodes to add; with a wire, of those that fit. */
  add(at: Point, event: MouseEvent, wire?: Wire): void;
  menu(hit: Hit, at: Point, event: MouseEvent): void;
  rename(hit: Hit & { kind: "node" | "group" }): void;
  /** Go into a node that is a subgraph. @returns false if it is none. */
  open(node: NodeId): boolean;
  reroute(link: number, at: Point): void;
  /** Name an input or output of the subgraph that is on screen. */
  renameSlot(hit: Hit & { kind: "port" }, event: MouseEvent): void;
  readonly spaceHeld: () => boolean;
}

const OWN = "[data-own]";
/** A finger that rests so long asks what can be done, as the right button does. */
const LONG_MS = 500;
/** Pixels that a resting finger may tremble. */
const STILL = 8;

export class Pointer {
  readonly #fingers = new Map<number, Point>();
  #pinch: Pinch | undefined;
  #held: number | undefined;
  /** A finger that may come to rest. */
  #rest: { readonly timer: ReturnType<typeof setTimeout>; readonly from: Point } | undefined;

  constructor(
    readonly stage: Stage,
    readonly host: HTMLElement,
    readonly app: PointerHost,
  ) {}

  /** @returns a function that stops listening. */
  listen(): () => void {
    const ends = new AbortController();
    const { signal } = ends;
    const on = <Name extends keyof HTMLElementEventMap>(name: Name, work: (event: HTMLElementEventMap[Name]) => void, options: AddEventListenerOptions = {}): void =>
      this.host.addEventListener(name, work, { signal, ...options });
    on("pointerdown", (event) => this.#down(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", (event) => this.#up(event));
    on("pointercancel", (event) => this.#stop(event));
    on("wheel", (event) => this.#wheel(event), { passive: false });
    on("dblclick", (event) => this.#double(event));
    on("contextmenu", (event) => this.#menu(event));
    on("auxclick", (event) => event.button === 1 && event.preventDefault());
    return () => ends.abort();
  }

  /** Take back what the pointer is doing. @returns false if it was doing nothing. */
  cancel(): boolean {
    const { gesture } = this.stage;
    if (!gesture) return false;
    gesture.cancel();
    this.#leave();
    return true;
  }

  #down(event: PointerEvent): void {
    const screen = this.stage.screenAt(event);
    this.#fingers.set(event.pointerId, screen);
    this.#wake();
    if (event.pointerType === "touch" && this.#fingers.size === 1 && !isOwn(event.target)) this.#rest = { timer: setTimeout(() => this.#ask(event), LONG_MS), from: screen };
    if (this.#fingers.size === 2) {
      this.cancel();
      this.#pinch = new Pinch(this.stage);
      return;
    }
    if (this.stage.gesture || (event.button === 2 && !event.ctrlKey && !event.altKey)) return;
    const at = this.stage.pointAt(event);
    const hit = this.stage.hits.at(at, this.stage.camera.scale);
    if (hit.kind !== "port" && isOwn(event.target) && event.button === 0 && !this.app.spaceHeld()) return;
    const gesture = this.#gestureFor(event, hit, at, screen);
    if (!gesture) return;
    blur();
    event.preventDefault();
    this.stage.gesture = gesture;
    this.#held = event.pointerId;
    this.host.setPointerCapture(event.pointerId);
    this.host.style.cursor = gesture.cursor ?? "";
  }

  #gestureFor(event: PointerEvent, hit: Hit, at: Point, screen: Point): Gesture | undefined {
    const { stage } = this;
    const { view, document } = stage.parts;
    if (event.button === 1 || this.app.spaceHeld()) return new Pan(stage, screen, () => undefined);
    if (event.button === 2 && stage.locked) return undefined;
    if (event.button === 2) return event.altKey ? new Join(stage, at) : new Cut(stage, at);
    if (event.button !== 0) return undefined;
    const more = event.shiftKey || event.ctrlKey || event.metaKey;
    if (hit.kind !== "link") stage.links = new Set();
    if (stage.locked) return new Pan(stage, screen, () => view.select(hit.kind === "node" ? [hit.node] : []));
    switch (hit.kind) {
      case "port":
        return new Weave(stage, hit, at, (wire, dropped, end) => this.app.add(dropped, end, wire));
      case "corner":
        if (isBoundary(hit.node)) return this.#carry(event, hit.node, at, false);
        view.select([hit.node]);
        return new Resize(stage, at, hit.node);
      case "node":
        return this.#carry(event, hit.node, at, more);
      case "link":
        if (event.altKey) document.execute(disconnect(view.scope, [hit.link]));
        else {
          stage.links = new Set(more ? [...stage.links, hit.link] : [hit.link]);
          if (!more) view.select([]);
        }
        stage.invalidate();
        return new Pan(stage, screen, () => undefined);
      case "point":
        if (!event.altKey) return new MovePoint(stage, hit.point);
        document.execute(removePoint(view.scope, hit.point));
        return new Pan(stage, screen, () => undefined);
      case "group":
        return hit.part === "corner" ? new ResizeGroup(stage, hit.group) : this.#carryGroup(hit.group, at, more);
      default:
        if (event.altKey) return new Cut(stage, at);
        if (more) return new Box(stage, at, event.shiftKey ? view.selection.nodes : new Set());
        return new Pan(stage, screen, () => view.select([]));
    }
  }

  #carry(event: PointerEvent, node: NodeId, at: Point, more: boolean): Gesture {
    const { stage } = this;
    if (isBoundary(node)) return new Move(stage, at, new Set([node]), new Set());
    const { view } = stage.parts;
    const chosen = view.selection.nodes.has(node);
    if (more) {
      view.toggle(node);
      if (!view.selection.nodes.has(node)) return new Pan(stage, [0, 0], () => undefined);
    } else if (!chosen) view.select([node]);
    const groups = new Set(view.selection.groups);
    const all = new Set([...view.selection.nodes, ...insideGroups(stage.graph, groups)]);
    const nodes = new Set([...all].filter((id) => stage.graph.nodes.get(id)?.flags.pinned !== true));
    if (event.altKey && !more) return Move.ofCopies(stage, at, nodes);
    return new Move(stage, at, nodes, groups, { clicked: () => !more && view.select([node]) });
  }

  #carryGroup(group: GroupId, at: Point, more: boolean): Gesture {
    const { view } = this.stage.parts;
    if (!view.selection.groups.has(group)) view.select(more ? view.selection.nodes : [], more ? [...view.selection.groups, group] : [group]);
    const groups = new Set(view.selection.groups);
    const nodes = new Set([...view.selection.nodes, ...insideGroups(this.stage.graph, groups)]);
    return new Move(this.stage, at, nodes, groups);
  }

  #move(event: PointerEvent): void {
    const screen = this.stage.screenAt(event);
    if (this.#fingers.has(event.pointerId)) this.#fingers.set(event.pointerId, screen);
    if (this.#rest && Math.hypot(screen[0] - this.#rest.from[0], screen[1] - this.#rest.from[1]) > STILL) this.#wake();
    if (this.#pinch) {
      const [a, b] = [...this.#fingers.values()];
      if (a && b) this.#pinch.move(a, b);
      return;
    }
    const { gesture } = this.stage;
    if (gesture && event.pointerId === this.#held) gesture.move(this.stage.pointAt(event), screen, event);
    else if (!gesture && event.buttons === 0) this.#hover(event);
  }

  #hover(event: PointerEvent): void {
    const hit = isOwn(event.target) ? undefined : this.stage.hits.at(this.stage.pointAt(event), this.stage.camera.scale);
    const link = hit?.kind === "link" ? hit.link : undefined;
    if (link !== this.stage.hoveredLink) {
      this.stage.hoveredLink = link;
      this.stage.invalidate();
    }
    this.host.style.cursor = hit ? cursorOf(hit) : "";
  }

  /** The finger does something else than rest. */
  #wake(): void {
    clearTimeout(this.#rest?.timer);
    this.#rest = undefined;
  }

  /** A finger has rested: what it began is taken back. */
  #ask(event: MouseEvent): void {
    this.#wake();
    this.cancel();
    const at = this.stage.pointAt(event);
    this.app.menu(this.stage.hits.at(at, this.stage.camera.scale), at, event);
  }

  #up(event: PointerEvent): void {
    this.#wake();
    this.#fingers.delete(event.pointerId);
    if (this.#fingers.size < 2) this.#pinch = undefined;
    const { gesture } = this.stage;
    if (!gesture || event.pointerId !== this.#held) return;
    this.#leave();
    gesture.end(event);
  }

  #stop(event: PointerEvent): void {
    this.#wake();
    this.#fingers.delete(event.pointerId);
    this.#pinch = undefined;
    if (event.pointerId === this.#held) this.cancel();
  }

  #leave(): void {
    if (this.#held !== undefined && this.host.hasPointerCapture(this.#held)) this.host.releasePointerCapture(this.#held);
    this.#held = undefined;
    this.stage.gesture = undefined;
    this.host.style.cursor = "";
    this.stage.invalidate();
  }

  #wheel(event: WheelEvent): void {
    if (event.target instanceof Element && scrolls(event.target)) return;
    event.preventDefault();
    const { view } = this.stage.parts;
    const unit = event.deltaMode === 1 ? 32 : 1;
    if (event.shiftKey) return view.setCamera(panned(view.camera, -(event.deltaX || event.deltaY) * unit, 0));
    const speed = event.ctrlKey ? 0.01 : 0.0016;
    const factor = Math.exp(-Math.max(-240, Math.min(240, event.deltaY * unit)) * speed);
    view.setCamera(zoomed(view.camera, factor, this.stage.screenAt(event)));
  }

  #double(event: MouseEvent): void {
    if (isOwn(event.target) || this.stage.locked) return;
    const at = this.stage.pointAt(event);
    const hit = this.stage.hits.at(at, this.stage.camera.scale);
    if (hit.kind === "port" && isBoundary(hit.node)) this.app.renameSlot(hit, event);
    else if ("node" in hit && isBoundary(hit.node)) return;
    else if (hit.kind === "ground") this.app.add(at, event);
    else if (hit.kind === "node" && !hit.title && this.app.open(hit.node)) return;
    else if (hit.kind === "link") this.app.reroute(hit.link, at);
    else if (hit.kind === "group" || (hit.kind === "node" && hit.title && this.stage.graph.nodes.get(hit.node)?.type !== REROUTE)) this.app.rename(hit);
  }

  #menu(event: MouseEvent): void {
    if (event.target instanceof Element && event.target.closest("input, textarea")) return;
    event.preventDefault();
    if (event instanceof PointerEvent && event.pointerType === "touch") {
      if (this.#rest) this.#ask(event); // the browser was faster
      return;
    }
    if (this.stage.gesture || event.ctrlKey || event.altKey) return; // the right button cuts or wires
    const at = this.stage.pointAt(event);
    this.app.menu(this.stage.hits.at(at, this.stage.camera.scale), at, event);
  }
}

/** Things with manners of their own: fields, buttons, words being written. */
function isOwn(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest(OWN) !== null;
}

/** A text being written scrolls itself. */
function scrolls(target: Element): boolean {
  const area = target.closest("textarea, [data-scroll]");
  return area !== null && area.scrollHeight > area.clientHeight + 1 && (area === document.activeElement || area.hasAttribute("data-scroll"));
}

function blur(): void {
  if (document.activeElement instanceof HTMLElement && document.activeElement !== document.body) document.activeElement.blur();
}

function cursorOf(hit: Hit): string {
  if (hit.kind === "port") return "crosshair";
  if (hit.kind === "corner" || (hit.kind === "group" && hit.part === "corner")) return "nwse-resize";
  if (hit.kind === "link") return "pointer";
  if (hit.kind === "point") return "grab";
  return hit.kind === "node" && hit.title ? "grab" : "";
}
