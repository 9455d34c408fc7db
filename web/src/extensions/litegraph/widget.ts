/** Widgets as scripts see them: the classic kinds, texts with a field of their own, and elements of the page. */
import type { Loose, Open } from "../loose";

export type WidgetOptions = Open;

const OWN: PropertyDescriptor = {
  configurable: true,
  enumerable: true,
  get(this: ClassicWidget) { return this._read(); },
  set(this: ClassicWidget, value: Loose) { this._write(value); },
};

/** Whether a script keeps its value in a way of its own. */
export function hasOwnValue(widget: Open): boolean {
  const held = Object.getOwnPropertyDescriptor(widget, "value");
  return held !== undefined && held.get !== OWN.get;
}

/** Setting its value calls nobody: only what a person does calls `callback`. */
export class ClassicWidget {
  [key: string]: Loose;
  y = 0;
  _value: Loose;
  /** The node it sits in, so that writing its value is seen. */
  node: Loose = undefined;

  constructor(
    public type: string,
    public name: string,
    value: Loose,
    callback: Loose,
    public options: WidgetOptions,
  ) {
    this._value = value;
    if (callback) this.callback = callback;
    // Scripts look for it on the widget itself, put their own in its place and delete that again.
    Object.defineProperty(this, "value", OWN);
  }

  get value(): Loose {
    return this._read();
  }
  set value(value: Loose) {
    this._write(value);
  }
  _read(): Loose {
    return this._value;
  }
  _write(value: Loose): void {
    this._value = value;
    this.node?.touch?.();
  }
}

/** A text of several lines. Whoever asks for its element gets one, and from then on it is what people write in. */
export class TextWidget extends ClassicWidget {
  _area: HTMLTextAreaElement | undefined;

  get inputEl(): HTMLTextAreaElement {
    if (this._area) return this._area;
    const area = document.createElement("textarea");
    area.className = "comfy-multiline-input";
    area.placeholder = this.options.placeholder ?? this.name;
    area.spellcheck = false;
    area.value = String(this._value ?? "");
    area.addEventListener("input", () => {
      this.value = area.value;
      this.callback?.(this._value);
    });
    this._area = area;
    this.node?.touch?.();
    return area;
  }
  get element(): HTMLTextAreaElement {
    return this.inputEl;
  }
  override _read(): Loose {
    return this._area ? this._area.value : this._value;
  }
  override _write(value: Loose): void {
    this._value = value;
    if (this._area && this._area.value !== String(value ?? "")) this._area.value = String(value ?? "");
    this.node?.touch?.();
  }
}

/** An element of the page in a node. */
export class DOMWidgetImpl extends ClassicWidget {
  constructor(
    name: string,
    type: string,
    public element: HTMLElement,
    options: WidgetOptions,
  ) {
    super(type, name, undefined, undefined, options);
  }
  get inputEl(): HTMLElement {
    return this.element;
  }
  override _read(): Loose {
    return this.options.getValue?.() ?? this._value ?? "";
  }
  override _write(value: Loose): void {
    if (this.options.setValue) this.options.setValue(value);
    else this._value = value;
    this.callback?.(this.value);
    this.node?.touch?.();
  }
  get margin(): number {
    return this.options.margin ?? 10;
  }
  isVisible(): boolean {
    return !this.hidden;
  }
  /** Scripts wrap it; the row is drawn by the page. */
  draw(): void {}
}

export function makeWidget(type: string, name: string, value: Loose, callback: Loose, options: WidgetOptions): ClassicWidget {
  return type === "customtext" ? new TextWidget(type, name, value, callback, options) : new ClassicWidget(type, name, value, callback, options);
}

/** A widget that a pack made of its own class or as a plain object: nothing tells us when it is written. */
export function isForeign(widget: Open): boolean {
  return !(widget instanceof ClassicWidget);
}

/** Whether it has a row: old scripts hide by type or by height. */
export function isHiddenWidget(widget: Open, width: number): boolean {
  if (widget.hidden === true || widget.options?.hidden === true) return true;
  const type = String(widget.type ?? "");
  if (type.startsWith("converted-widget") || type.toLowerCase().includes("hidden")) return true;
  if (typeof widget.computeSize !== "function") return false;
  try {
    const size: Loose = widget.computeSize(width);
    return Array.isArray(size) && typeof size[1] === "number" && size[1] <= 0;
  } catch {
    return false; // it wants more than we know: it is shown as any other
  }
}
