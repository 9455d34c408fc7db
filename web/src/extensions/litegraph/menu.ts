/** The field's menus: lists that scripts open by themselves, with entries that are texts, lines or objects. */
import type { Loose, Open } from "../loose";

class Menu {
  [key: string]: Loose;
  root: HTMLElement;
  options: Open;
  parentMenu: Menu | undefined;
  current_submenu: Menu | undefined;
  controller = new AbortController();
  lock = false;

  constructor(values: readonly Loose[], options: Open = {}) {
    this.options = options;
    this.values = values;
    this.parentMenu = options.parentMenu instanceof Menu ? options.parentMenu : undefined;
    if (this.parentMenu) {
      this.parentMenu.current_submenu?.close(undefined, true);
      this.parentMenu.current_submenu = this;
    }
    const root = document.createElement("div");
    root.className = `litegraph litecontextmenu litemenubar-panel dark ${options.className ?? ""}`.trim();
    root.setAttribute("role", "menu");
    this.root = root;
    if (options.title) {
      const title = document.createElement("div");
      title.className = "litemenu-title";
      title.innerHTML = options.title;
      root.append(title);
    }
    const given = Array.isArray(values) ? values : Object.values(values);
    for (const value of given) this.addItem(value === null ? null : typeof value === "string" ? value : String(value?.content ?? value), value, options);
    document.body.append(root);
    this._place();
    if (!this.parentMenu) this._closeOutside();
  }

  addItem(name: string | null, value: Loose, options: Open): HTMLElement {
    const element: Loose = document.createElement("div");
    element.className = "litemenu-entry submenu";
    if (value === null || value === undefined) {
      element.classList.add("separator");
    } else {
      element.innerHTML = value?.title ?? name ?? "";
      element.value = value;
      element.dataset.value = typeof value === "string" ? value : (name ?? "");
      element.setAttribute("role", "menuitem");
      element.tabIndex = 0;
      if (value.disabled) element.classList.add("disabled");
      if (value.submenu || value.has_submenu) element.classList.add("has_submenu");
      if (value.className) element.className += ` ${value.className}`;
      if (typeof value === "function") element.dataset.value = name ?? "";
      element.addEventListener("click", (event: MouseEvent) => this._pick(element, value, options, event));
      element.addEventListener("keydown", (event: KeyboardEvent) => event.key === "Enter" && this._pick(element, value, options, event));
    }
    this.root.append(element);
    return element;
  }

  _pick(element: HTMLElement, value: Loose, options: Open, event: Event): void {
    if (value?.disabled) return;
    let stays: Loose = false;
    const call = (work: Loose): void => {
      if (typeof work === "function" && work.call(element, value, options, event, this, options.node) === true) stays = true;
    };
    call(options.callback);
    if (typeof value === "function") value();
    else if (value && typeof value === "object") {
      if (value.callback && !options.ignore_item_callbacks && !value.disabled && value.callback.call(element, value, options, event, this, options.extra) === true) stays = true;
      if (value.submenu) {
        const { right, top } = element.getBoundingClientRect();
        new Menu(value.submenu.options, { ...value.submenu, callback: value.submenu.callback, event, left: right, top, parentMenu: this, extra: value.submenu.extra ?? options.extra });
        stays = true;
      }
    }
    if (!stays && !this.lock && !this.current_submenu) this.close();
  }

  _place(): void {
    const { event, left, top } = this.options;
    const x = left ?? event?.clientX ?? 100;
    const y = top ?? event?.clientY ?? 100;
    const { width, height } = this.root.getBoundingClientRect();
    this.root.style.left = `${Math.max(4, Math.min(x, innerWidth - width - 8))}px`;
    this.root.style.top = `${Math.max(4, Math.min(y, innerHeight - height - 8))}px`;
  }

  _closeOutside(): void {
    const { signal } = this.controller;
    const inside = (target: EventTarget | null): boolean => target instanceof Element && target.closest(".litecontextmenu") !== null;
    setTimeout(() => addEventListener("pointerdown", (event) => !inside(event.target) && this.close(), { signal, capture: true }));
    addEventListener("keydown", (event) => event.key === "Escape" && this.close(), { signal, capture: true });
  }

  close(_event?: Event, keepParent = false): void {
    this.current_submenu?.close(undefined, true);
    this.root.remove();
    this.controller.abort();
    if (!this.parentMenu) return;
    this.parentMenu.current_submenu = undefined;
    if (!keepParent) this.parentMenu.close();
  }

  getTopMenu(): Menu {
    return this.parentMenu?.getTopMenu() ?? this;
  }
  getFirstEvent(): Loose {
    return this.parentMenu?.getFirstEvent() ?? this.options.event;
  }
  static trigger(element: HTMLElement, name: string, detail: Loose): CustomEvent {
    const event = new CustomEvent(name, { bubbles: true, cancelable: true, detail });
    element.dispatchEvent(event);
    return event;
  }
  static closeAll(): void {
    for (const each of document.querySelectorAll(".litecontextmenu")) each.remove();
  }
}

/** A class that packs also call as a function, from constructors that they put in its place. */
export const ContextMenu: typeof Menu = new Proxy(Menu, { apply: (target, _self, given: ConstructorParameters<typeof Menu>) => new target(...given) });
