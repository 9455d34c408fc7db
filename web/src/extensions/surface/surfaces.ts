/** What packs draw and put into nodes, as elements of the page: a canvas a row, elements, buttons, a canvas over a node. */
import type { Face } from "../../canvas/node-box";
import type { Guard } from "../guard";
import type { OwnKind, OwnWidget } from "../weft";
import { TextWidget } from "../litegraph/widget";
import type { Loose, Open } from "../loose";

const HEADER = 32;
/** Canvases are drawn at this many pixels a unit, so that they stay sharp when one looks closer. */
const SHARP = 2;
/** Units that an overlay goes beyond its node. */
const BEYOND = 60;
const ROW = 20;
const LOADING_MS = [60, 200, 600, 1500, 4000];

export class Surfaces {
  readonly #faces = new WeakMap<object, Face>();
  readonly #live = new Map<Open, Set<() => void>>();
  readonly #dirty = new Set<Open>();
  #frame = 0;

  constructor(
    readonly guard: Guard,
    readonly canvas: () => Loose,
    /** The node's rows may have become others. */
    readonly remeasure: (node: Open) => void,
    /** What our own interface puts over a node. */
    readonly looks: (node: Open) => readonly ((host: HTMLElement) => unknown)[],
  ) {}

  /** Draw a node again now and for a while: pictures that a script loads come later than the news of them. */
  redrawSoon(node: Open): void {
    this.redraw(node);
    for (const wait of LOADING_MS) setTimeout(() => this.redraw(node), wait);
  }

  /** Draw what shows of a node again, or of all. */
  redraw(node?: Open): void {
    if (this.#live.size === 0) return;
    for (const each of node ? [node] : this.#live.keys()) this.#dirty.add(each);
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      const dirty = [...this.#dirty];
      this.#dirty.clear();
      for (const each of dirty) for (const draw of this.#live.get(each) ?? []) draw();
    });
  }

  #show(node: Open, draw: () => void): () => void {
    const all = this.#live.get(node) ?? new Set();
    this.#live.set(node, all.add(draw));
    draw();
    return () => {
      all.delete(draw);
      if (all.size === 0) this.#live.delete(node);
    };
  }

  #face(owner: object, mount: (host: HTMLElement) => () => void): Face {
    const face = this.#faces.get(owner) ?? { mount };
    this.#faces.set(owner, face);
    return face;
  }

  element(node: Open, widget: Loose): Face {
    return this.#face(widget, (host) => {
      host.classList.add("weft-element");
      const { element } = widget;
      const margin = widget instanceof TextWidget ? 10 : Math.max(0, Math.min(10, Number(widget.options?.margin ?? 10)));
      host.style.left = host.style.right = `${margin}px`;
      element.style.width = "100%";
      element.style.height = "100%";
      element.hidden = false;
      host.append(element);
      widget.options?.afterResize?.call(widget, node);
      return () => element.parentElement === host && element.remove();
    });
  }

  button(node: Open, widget: Loose): Face {
    return this.#face(widget, (host) => {
      const button = document.createElement("button");
      button.className = "weft-button";
      const draw = (): void => {
        button.textContent = String(widget.label ?? widget.name ?? "");
        button.disabled = widget.disabled === true;
      };
      button.addEventListener("click", (event) => {
        widget.clicked = true;
        this.guard.call(widget, "callback", widget, this.canvas(), node, [0, widget.last_y ?? 0], event);
        this.remeasure(node);
        this.redraw(node);
      });
      host.append(button);
      const gone = this.#show(node, draw);
      return () => {
        gone();
        button.remove();
      };
    });
  }

  drawing(node: Open, widget: Loose): Face {
    return this.#face(widget, (host) => {
      host.classList.add("weft-surface");
      host.style.left = host.style.right = "0";
      const canvas = document.createElement("canvas");
      host.append(canvas);
      const top = (): number => host.offsetTop - HEADER;
      const section = host.closest("section");
      /** The last row may draw down to the foot of its node. */
      const reach = (): number => {
        const last = node._widgets?.at(-1) === widget;
        host.classList.toggle("last", last);
        return last && section ? Math.max(host.clientHeight, section.clientHeight - host.offsetTop) : host.clientHeight;
      };
      const draw = (): void => {
        const [width, height] = [host.clientWidth, reach()];
        const context = this.#cleared(canvas, width, height);
        if (!context) return;
        widget.last_y = widget.y = top();
        widget.width = width;
        context.translate(0, -top());
        this.guard.run(() => widget.draw(context, node, width, top(), ROW, false), `draw of ${widget.name}`, node);
      };
      const observer = new ResizeObserver(draw);
      observer.observe(host);
      if (section) observer.observe(section);
      const gone = this.#show(node, draw);
      const mute = this.#listen(host, node, widget, top, draw);
      return () => {
        mute();
        gone();
        observer.disconnect();
        canvas.remove();
      };
    });
  }

  /** A widget of our own interface: it puts itself into its row. */
  own(node: Open, widget: OwnWidget, kind: OwnKind): Face {
    return this.#face(widget, (host) => {
      const given = {
        name: String(widget.name),
        options: widget.options ?? {},
        get value() { return widget.value; },
        set: (value: unknown) => {
          widget.put(value);
          node.touch?.();
        },
        onChange: (listener: (value: unknown) => void) => {
          widget.heard.add(listener);
          return () => widget.heard.delete(listener);
        },
      };
      const away: Loose = this.guard.run(() => kind.mount(host, given), `widget ${widget.name}`, node);
      const gone = this.#show(node, () => {});
      return () => {
        gone();
        if (typeof away === "function") this.guard.run(away, `widget ${widget.name}`, node);
        widget.heard.clear();
        host.replaceChildren();
      };
    });
  }

  #cleared(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | null {
    canvas.width = width * SHARP;
    canvas.height = height * SHARP;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const context = width > 0 && height > 0 ? canvas.getContext("2d") : null;
    context?.scale(SHARP, SHARP);
    return context;
  }

  /** Presses of a row go to its widget, in the frame in which it is drawn. */
  #listen(host: HTMLElement, node: Open, widget: Loose, top: () => number, draw: () => void): () => void {
    const ends = new AbortController();
    const { signal } = ends;
    let pointer: Open | undefined;
    const told = (event: PointerEvent): void => {
      const box = host.getBoundingClientRect();
      const scale = box.width / host.clientWidth || 1;
      const pos = [(event.clientX - box.left) / scale, (event.clientY - box.top) / scale + top()];
      aim(event, node, pos);
      const { canvas } = this;
      if (event.type === "pointerdown" && typeof widget.onPointerDown === "function") {
        const fresh: Open = { eDown: event, isDown: true };
        if (this.guard.call(widget, "onPointerDown", fresh, node, canvas()) === true) pointer = fresh;
      }
      if (pointer) drive(this.guard, pointer, event);
      else if (this.guard.call(widget, "mouse", event, pos, node) === true) draw();
      if (event.type === "pointerup") pointer = undefined;
      this.redraw(node);
      node.touch?.();
      this.remeasure(node);
    };
    host.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      host.setPointerCapture(event.pointerId);
      told(event);
    }, { signal });
    host.addEventListener("pointermove", (event) => (event.buttons & 1) !== 0 && told(event), { signal });
    host.addEventListener("pointerup", told, { signal });
    host.addEventListener("dblclick", (event) => event.stopPropagation(), { signal });
    return () => ends.abort();
  }

  /** A node's own drawing, and what it wants to hear of the pointer. */
  node(node: Open): Face {
    return this.#face(node, (host) => {
      const section = host.parentElement;
      const looks = this.looks(node).map((mount) => this.guard.run(() => mount(host), "a node's look", node));
      const canvas = document.createElement("canvas");
      canvas.className = "weft-overlay";
      Object.assign(canvas.style, { left: "0", top: `${-BEYOND}px` });
      host.append(canvas);
      const draw = (): void => {
        if (!node.onDrawForeground && !node.onDrawBackground) return;
        const [width, height] = [section?.clientWidth ?? 0, (section?.clientHeight ?? 0) + BEYOND];
        const context = this.#cleared(canvas, width, height);
        context?.translate(0, BEYOND + HEADER);
        this.guard.call(node, "onDrawBackground", context, this.canvas(), canvas);
        this.guard.call(node, "onDrawForeground", context, this.canvas(), canvas);
      };
      const observer = new ResizeObserver(draw);
      if (section) observer.observe(section);
      const gone = this.#show(node, draw);
      const mute = section ? this.#hear(section, node) : () => {};
      return () => {
        for (const away of looks) if (typeof away === "function") this.guard.run(away, "a node's look", node);
        mute();
        gone();
        observer.disconnect();
        canvas.remove();
      };
    });
  }

  #hear(section: HTMLElement, node: Open): () => void {
    const ends = new AbortController();
    const tell = (name: string) => (event: MouseEvent): void => {
      if (typeof node[name] !== "function") return;
      const box = section.getBoundingClientRect();
      const scale = box.width / section.clientWidth || 1;
      const pos = [(event.clientX - box.left) / scale, (event.clientY - box.top) / scale - HEADER];
      aim(event, node, pos);
      const handled = this.guard.call(node, name, event, pos, this.canvas());
      if (handled === true && event.type !== "pointermove") event.stopPropagation();
      this.redraw(node);
    };
    const on = (type: string, name: string): void => section.addEventListener(type, tell(name) as EventListener, { signal: ends.signal });
    on("pointerdown", "onMouseDown");
    on("pointermove", "onMouseMove");
    on("pointerup", "onMouseUp");
    on("pointerenter", "onMouseEnter");
    on("pointerleave", "onMouseLeave");
    on("dblclick", "onDblClick");
    section.addEventListener("dragover", (event) => this.guard.call(node, "onDragOver", event) === true && event.preventDefault(), { signal: ends.signal });
    section.addEventListener("drop", (event) => {
      const handled = node.onDragDrop ? this.guard.call(node, "onDragDrop", event) : false;
      if (handled === true || handled instanceof Promise) event.preventDefault();
    }, { signal: ends.signal });
    return () => ends.abort();
  }
}

/** Scripts read where the pointer is in the graph from the event itself. */
function aim(event: Loose, node: Open, pos: readonly (number | undefined)[]): void {
  event.canvasX = (node._pos[0] ?? 0) + (pos[0] ?? 0);
  event.canvasY = (node._pos[1] ?? 0) + (pos[1] ?? 0);
  event.click_time ??= 100;
  event.isDown ??= true;
}

/** The newer way of pointers: a widget hangs what it wants to hear on an object. */
function drive(guard: Guard, pointer: Open, event: PointerEvent): void {
  if (event.type === "pointermove") {
    if (!pointer.dragging) guard.call(pointer, "onDragStart", pointer, event);
    pointer.dragging = true;
    guard.call(pointer, "onDrag", event);
  }
  if (event.type !== "pointerup") return;
  if (pointer.dragging) guard.call(pointer, "onDragEnd", event);
  else guard.call(pointer, "onClick", event);
  guard.call(pointer, "finally");
}
