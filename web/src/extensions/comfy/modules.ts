/** `window.comfyAPI`: what each module that packs import exports. The files under `/scripts` and `/extensions/core` read it. */
import { readPngTexts } from "../../graph";
import { DOMWidgetImpl } from "../litegraph/widget";
import type { Loose, Open } from "../loose";
import { fitting } from "../litegraph/types";
import { ComfyApi } from "./api";
import { ComfyApp } from "./app";
import { $el, ComfyAsyncDialog, ComfyButton, ComfyButtonGroup, ComfyDialog, ComfyPopup, ComfySplitButton } from "./elements";
import { ComfySettings } from "./settings";
import { addValueControlWidget } from "./widgets";

export interface Made {
  readonly app: ComfyApp;
  readonly api: ComfyApi;
  readonly widgets: Open;
  readonly lite: Open;
  readonly unsupported: (name: string) => void;
}

const CONFIG = Symbol("widget config");

export function modulesOf({ app, api, widgets, lite, unsupported }: Made): Record<string, Open> {
  const refused = (name: string) => class {
    static [key: string]: Loose;
    [key: string]: Loose;
    constructor() {
      unsupported(name);
    }
  };
  class ComfyUI {
    constructor() {
      return app.ui;
    }
  }
  return {
    app: { app, ComfyApp, ANIM_PREVIEW_WIDGET: "$$comfy_animation_preview", sanitizeNodeName: (name: string) => name.replace(/[&<>"'`=]/g, "") },
    api: { api, ComfyApi },
    widgets: { ComfyWidgets: widgets, isValidWidgetType: (type: string) => type in widgets, addValueControlWidget, addValueControlWidgets: (node: Open, target: Open, preset?: string) => [addValueControlWidget(node, target, preset)], updateControlWidgetLabel() {} },
    ui: { $el, ComfyDialog, ComfyUI },
    dialog: { ComfyDialog },
    asyncDialog: { ComfyAsyncDialog },
    settings: { ComfySettingsDialog: ComfySettings },
    uiUtils: { applyClasses: (element: HTMLElement, classes: string) => (element.className = classes), toggleElement: (element: HTMLElement) => (show: boolean) => (element.hidden = !show) },
    toggleSwitch: { toggleSwitch: (_name: string, items: Loose[]) => $el("div", items.map((item) => $el("span", { textContent: item.text ?? item }))) },
    draggableList: { DraggableList: refused("DraggableList") },
    button: { ComfyButton },
    buttonGroup: { ComfyButtonGroup },
    popup: { ComfyPopup },
    splitButton: { ComfySplitButton },
    utils: utilities(app),
    domWidget: { addWidget: (node: Open, widget: Open) => node.addCustomWidget(widget), DOMWidgetImpl, ComponentWidgetImpl: refused("ComponentWidgetImpl"), isDOMWidget: (widget: Open) => "element" in widget, isComponentWidget: () => false },
    pnginfo: {
      getPngMetadata: async (file: File) => Object.fromEntries(await readPngTexts(new Uint8Array(await file.arrayBuffer()))),
      getWebpMetadata: async () => ({}),
      getFlacMetadata: async () => ({}),
      getAvifMetadata: async () => ({}),
      getLatentMetadata: async () => ({}),
      importA1111: async () => unsupported("importA1111"),
    },
    widgetInputs: widgetInputs(lite, refused("PrimitiveNode")),
    clipspace: { ClipspaceDialog: Object.assign(refused("ClipspaceDialog"), { items: [], instance: null, registerButton() {}, invalidatePreview() {}, invalidate() {} }) },
    groupNode: { GroupNodeConfig: refused("GroupNodeConfig"), GroupNodeHandler: Object.assign(refused("GroupNodeHandler"), { isGroupNode: () => false, getGroupData: () => undefined }) },
  };
}

function widgetInputs(lite: Open, PrimitiveNode: Loose): Open {
  const configOf = (slot: Open): Loose => slot.widget?.[CONFIG] ?? (typeof slot.widget?.config === "object" ? slot.widget.config : [slot.type, {}]);
  return {
    PrimitiveNode,
    getWidgetConfig: configOf,
    setWidgetConfig(slot: Open, config?: Loose): void {
      if (!slot.widget) return;
      if (config) slot.widget[CONFIG] = config;
      else delete slot.widget;
    },
    convertToInput: (node: Open, widget: Open) => node._inputs.find((slot: Open) => slot.widget?.name === widget.name) ?? node.addInput(widget.name, String(widget.options?.type ?? "*"), { widget: { name: widget.name } }),
    mergeIfValid: (output: Open, config: Loose) => (lite.isValidConnection ?? fitting)(output.type, config?.[0]) ? { customConfig: config } : false,
  };
}

function utilities(app: ComfyApp): Open {
  return {
    /** `%Node.widget%` and `%date:...%` in a text. */
    applyTextReplacements(given: Loose, text: string): string {
      const nodes: Open[] = (given?._nodes ?? given?.graph?._nodes ?? app.graph?._nodes) ?? [];
      return text.replace(/%([^%]+)%/g, (whole, inner: string) => {
        const [name, key] = inner.split(".");
        if (inner.startsWith("date:")) return dated(inner.slice(5), new Date());
        const node = nodes.find((each) => each.properties?.["Node name for S&R"] === name) ?? nodes.find((each) => each.title === name);
        const widget = node?.widgets?.find((each: Open) => each.name === key);
        return widget ? String(widget.value ?? "").replaceAll(/[/?<>\\:*|"\u0000-\u001f\u007f]/g, "_") : whole;
      });
    },
    clone: (value: Loose) => structuredClone(value),
    addStylesheet(url: string, base?: string): Promise<void> {
      return new Promise((resolve, reject) => {
        const href = base ? new URL(url.replace(/\.js$/, ".css"), base.startsWith("http") ? base : location.href).href : url.replace(/\.js$/, ".css");
        const link = $el("link", { rel: "stylesheet", type: "text/css", href, onload: () => resolve(), onerror: reject });
        document.head.append(link);
      });
    },
    uploadFile: (accept: string): Promise<File> => new Promise((resolve, reject) => {
      const field = $el("input", { type: "file", accept, onchange: () => (field.files?.[0] ? resolve(field.files[0]) : reject()) }) as HTMLInputElement;
      field.click();
    }),
    prop(target: Open, name: string, preset: Loose, onChanged?: Loose): Loose {
      let held = preset;
      Object.defineProperty(target, name, {
        configurable: true,
        get: () => held,
        set(value: Loose) {
          const before = held;
          held = value;
          onChanged?.(value, before, target, name);
        },
      });
      return preset;
    },
    getStorageValue: (id: string) => sessionStorage.getItem(id) ?? localStorage.getItem(id),
    setStorageValue: (id: string, value: string) => localStorage.setItem(id, value),
    downloadBlob(name: string, blob: Blob): void {
      const url = URL.createObjectURL(blob);
      $el("a", { href: url, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(url));
    },
  };
}

function dated(pattern: string, now: Date): string {
  const parts: Record<string, number> = { yyyy: now.getFullYear(), yy: now.getFullYear() % 100, MM: now.getMonth() + 1, M: now.getMonth() + 1, dd: now.getDate(), d: now.getDate(), hh: now.getHours(), h: now.getHours(), mm: now.getMinutes(), m: now.getMinutes(), ss: now.getSeconds(), s: now.getSeconds() };
  return pattern.replace(/yyyy|yy|MM|M|dd|d|hh|h|mm|m|ss|s/g, (key) => String(parts[key]).padStart(key.length, "0"));
}
