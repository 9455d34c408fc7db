/** Elements and dialogs as packs make them: `$el`, `ComfyDialog`, buttons. */
import type { Loose, Open } from "../loose";

/** @param tag `div.one.two`; props are assigned, `style`, `dataset`, `parent`, `$` and `for` have their own meaning. */
export function $el(tag: string, props?: Loose, children?: Loose): HTMLElement {
  const [name = "div", ...classes] = tag.split(".");
  const element: Loose = document.createElement(name);
  element.classList.add(...classes.filter(Boolean));
  if (props) {
    if (typeof props === "string") element.append(props);
    else if (props instanceof Element) element.append(props);
    else if (Array.isArray(props)) element.append(...props);
    else assign(element, props, () => append(element, children));
    if (typeof props === "string" || props instanceof Element || Array.isArray(props)) append(element, children);
  } else append(element, children);
  return element;
}

function assign(element: Loose, { parent, $: made, dataset, style, ...rest }: Open, inside: () => void): void {
  if (typeof style === "string") element.style = style;
  else if (style) Object.assign(element.style, style);
  if (dataset) Object.assign(element.dataset, dataset);
  if (rest.for !== undefined) element.setAttribute("for", rest.for);
  delete rest.for;
  Object.assign(element, rest);
  inside();
  parent?.append(element);
  made?.(element);
}

function append(element: HTMLElement, children: Loose): void {
  if (children !== undefined && children !== null) element.append(...(Array.isArray(children) ? children : [children]));
}

export class ComfyDialog extends EventTarget {
  [key: string]: Loose;
  element: HTMLElement;
  textElement!: HTMLElement;
  #buttons: Loose;

  constructor(type = "div", buttons: Loose = null) {
    super();
    this.#buttons = buttons;
    // Packs write on dark ground, whatever the theme.
    this.element = $el(`${type}.comfy-modal`, { parent: document.body, dataset: { theme: "dark" } }, [
      $el("div.comfy-modal-content", [$el("p", { $: (p: HTMLElement) => (this.textElement = p) }), ...this.createButtons()]),
    ]);
  }
  createButtons(): HTMLElement[] {
    return this.#buttons ?? [$el("button", { type: "button", textContent: "Close", onclick: () => this.close() })];
  }
  close(): void {
    this.element.style.display = "none";
  }
  show(html?: Loose): void {
    if (typeof html === "string") this.textElement.innerHTML = html;
    else if (html !== undefined) this.textElement.replaceChildren(...(html instanceof HTMLElement ? [html] : html));
    this.element.style.display = "flex";
  }
}

export class ComfyAsyncDialog extends ComfyDialog {
  #done: ((value: Loose) => void) | undefined;
  override show(html?: Loose): Loose {
    super.show(html);
    return new Promise((resolve) => (this.#done = resolve));
  }
  override close(value: Loose = null): void {
    this.#done?.(value);
    super.close();
  }
}

export class ComfyButton {
  [key: string]: Loose;
  element: HTMLElement;
  #icon: HTMLElement = $el("i");
  #content: HTMLElement = $el("span");

  constructor({ icon, overIcon: _over, iconSize: _size, content, tooltip, action, classList = "comfyui-button", visibilitySetting: _setting, app: _app, enabled = true }: Open) {
    this.element = $el("button", { type: "button", onclick: (event: Event) => this.action?.(this, event) }, [this.#icon, this.#content]);
    this.classList = classList;
    this.icon = icon;
    this.content = content;
    this.tooltip = tooltip;
    this.action = action;
    this.enabled = enabled;
  }
  set icon(name: string | undefined) {
    this.#icon.className = name ? `mdi mdi-${name}` : "";
    this.#icon.hidden = !name;
  }
  set content(content: Loose) {
    this.#content.hidden = content === undefined || content === null;
    if (typeof content === "string") this.#content.textContent = content;
    else if (content instanceof HTMLElement) this.#content.replaceChildren(content);
  }
  set tooltip(tooltip: string | undefined) {
    if (!tooltip) return;
    this.element.title = tooltip;
    this.element.setAttribute("aria-label", tooltip);
  }
  set enabled(on: boolean) {
    (this.element as HTMLButtonElement).disabled = !on;
  }
  set hidden(hidden: boolean) {
    this.element.hidden = hidden;
  }
  set classList(classes: Loose) {
    this.element.className = typeof classes === "string" ? classes : Array.isArray(classes) ? classes.join(" ") : Object.keys(classes).filter((name) => classes[name]).join(" ");
  }
  withPopup(popup: Loose): this {
    this.action = () => popup.toggle?.();
    return this;
  }
}

export class ComfyButtonGroup {
  [key: string]: Loose;
  element: HTMLElement = $el("div.comfyui-button-group");
  buttons: Loose[] = [];
  constructor(...buttons: Loose[]) {
    this.append(...buttons);
  }
  insert(button: Loose, index: number): void {
    this.buttons.splice(index, 0, button);
    this.update();
  }
  append(...buttons: Loose[]): void {
    this.buttons.push(...buttons);
    this.update();
  }
  remove(index: number): Loose {
    const [gone] = this.buttons.splice(typeof index === "number" ? index : this.buttons.indexOf(index), 1);
    this.update();
    return gone;
  }
  update(): void {
    this.element.replaceChildren(...this.buttons.map((button) => button?.element ?? button));
  }
}

export class ComfyPopup extends EventTarget {
  [key: string]: Loose;
  element: HTMLElement;
  open = false;
  constructor({ target, container = document.body, classList = "" }: Open, ...children: Loose[]) {
    super();
    this.target = target;
    this.element = $el("div", { className: `comfyui-popup ${classList}`, hidden: true }, children);
    container.append(this.element);
  }
  toggle(): void {
    this.open = !this.open;
    this.element.hidden = !this.open;
    const box = this.target?.getBoundingClientRect?.();
    if (box) Object.assign(this.element.style, { position: "fixed", left: `${box.left}px`, top: `${box.bottom}px` });
    this.dispatchEvent(new CustomEvent(this.open ? "open" : "close"));
  }
}

export class ComfySplitButton {
  [key: string]: Loose;
  element: HTMLElement;
  constructor({ primary }: Open, ...items: Loose[]) {
    this.primary = primary;
    this.element = $el("div.comfyui-split-button", [primary.element, ...items.map((item) => item?.element ?? item)]);
  }
}

/** What packs expect to be styled; in the canvas's own colours. */
export const STYLES = `
dialog{margin:auto}
.comfy-modal{display:none;position:fixed;inset:auto;left:50%;top:50%;transform:translate(-50%,-50%);z-index:200;max-width:80vw;max-height:80vh;overflow:auto;padding:20px;background:var(--raised);color:var(--text);border:1px solid var(--line);border-radius:var(--r-node);box-shadow:var(--shadow-high)}
.comfy-modal-content{display:flex;flex-direction:column;gap:10px;width:100%}
.comfy-modal :is(textarea,select,input:not([type=checkbox],[type=radio],[type=range],[type=color])){padding:4px 8px;background:var(--inset);color:var(--text);border:1px solid var(--line);border-radius:var(--r-field)}
.comfy-modal button,.comfyui-button{text-align:center;padding:4px 10px;border-radius:var(--r-button);background:var(--inset);color:var(--text);border:1px solid var(--line);cursor:pointer;white-space:nowrap}
.comfyui-body-top,.comfyui-body-bottom,.comfyui-body-left,.comfyui-body-right{position:fixed;z-index:5;overflow:auto;background:var(--panel)}
.comfyui-body-top,.comfyui-body-bottom{max-height:40vh}
.comfyui-body-left,.comfyui-body-right{max-width:40vw}
.comfyui-body-top{inset:0 0 auto 0}
.comfyui-body-bottom{inset:auto 0 0 0}
.comfyui-body-left{inset:var(--edge-top,0px) auto var(--edge-bottom,0px) 0}
.comfyui-body-right{inset:var(--edge-top,0px) 0 var(--edge-bottom,0px) auto}
.comfyui-button-group{display:flex;gap:2px}
.comfy-multiline-input{width:100%;height:100%;resize:none;box-sizing:border-box;background:var(--inset);color:var(--text);border:1px solid var(--line);border-radius:var(--r-field);padding:5px 7px;font:inherit}
.litecontextmenu{position:fixed;z-index:220;min-width:120px;max-height:calc(100vh - 16px);overflow-y:auto;padding:4px;background:var(--raised);color:var(--text);border:1px solid var(--line);border-radius:var(--r-node);box-shadow:var(--shadow-high);font-size:var(--size)}
.litemenu-title{padding:4px 10px;font-weight:600;color:var(--soft)}
.litemenu-entry{padding:4px 10px;border-radius:var(--r-field);cursor:pointer}
.litemenu-entry:hover,.litemenu-entry:focus-visible{background:var(--hover)}
.litemenu-entry.disabled{opacity:.5;cursor:default}
.litemenu-entry.separator{height:1px;padding:0;margin:4px 6px;background:var(--line)}
.litemenu-entry.has_submenu::after{content:"›";float:inline-end;margin-inline-start:10px}
.comfy-context-menu-filter{width:100%;box-sizing:border-box;margin-bottom:4px}
.graphdialog{position:fixed;z-index:210;display:flex;gap:6px;align-items:center;padding:8px;background:var(--raised);color:var(--text);border:1px solid var(--line);border-radius:var(--r-node);box-shadow:var(--shadow-high)}
.weft-surface{overflow:hidden}
.weft-surface>canvas{position:absolute;left:0;top:0;pointer-events:none}
.weft-surface.last{overflow:visible}
.weft-overlay{position:absolute;pointer-events:none}
.weft-element{overflow:hidden}
.weft-element>*{box-sizing:border-box;max-width:100%}
:where(.weft-element) button:not([class]){text-align:center;background:var(--inset);color:var(--text);border:1px solid var(--line);border-radius:var(--r-field)}
.weft-button{text-align:center;width:100%;height:100%;background:var(--inset);color:var(--text);border-radius:var(--r-field);font-weight:500;cursor:pointer}
.weft-button:hover{background:var(--hover)}
`;
/** Variables that packs' own styles read. */
export const VARIABLES = `:root,[data-theme]{--bg-color:var(--canvas);--fg-color:var(--text);--comfy-menu-bg:var(--panel);--comfy-menu-secondary-bg:var(--raised);--comfy-input-bg:var(--inset);--input-text:var(--text);--descrip-text:var(--faint);--drag-text:var(--soft);--error-text:var(--bad);--border-color:var(--line);--tr-even-bg-color:var(--panel);--tr-odd-bg-color:var(--raised);--content-bg:var(--raised);--content-fg:var(--text);--content-hover-bg:var(--hover);--content-hover-fg:var(--text);--p-button-primary-background:var(--hover);--p-button-primary-color:var(--text);--p-button-secondary-background:var(--inset);--p-button-secondary-color:var(--soft)}`;
