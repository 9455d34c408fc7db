/** The `LiteGraph` object: constants, the table of node classes, and the classes that scripts subclass and patch. */
import type { Loose, Open } from "../loose";
import { LGraphCanvas } from "./canvas";
import { CONSTANTS } from "./constants";
import { LGraph } from "./graph";
import { LGraphGroup } from "./group";
import { LLink } from "./link";
import { ContextMenu } from "./menu";
import { LGraphNode } from "./node";
import { fitting } from "./types";

/** How zoom and pan are kept; scripts subclass or patch it. */
export class DragAndScale {
  [key: string]: Loose;
  offset = [0, 0];
  scale = 1;
  min_scale = 0.1;
  max_scale = 10;
  enabled = true;
  reset(): void {
    this.scale = 1;
    this.offset = [0, 0];
  }
  changeScale(): void {}
  changeDeltaScale(): void {}
}

export class LGraphBadge {
  [key: string]: Loose;
  constructor(options: Open = {}) {
    Object.assign(this, options);
  }
}

export function makeLiteGraph(): Open {
  const lite: Open = {
    ...CONSTANTS,
    DEFAULT_POSITION: [100, 100],
    registered_node_types: {},
    node_types_by_file_extension: {},
    Nodes: {},
    slot_types_in: [],
    slot_types_out: [],
    slot_types_default_in: {},
    slot_types_default_out: {},
    registered_slot_in_types: {},
    registered_slot_out_types: {},
    LGraph,
    LGraphNode,
    LGraphGroup,
    LGraphCanvas,
    LLink,
    DragAndScale,
    LGraphBadge,
    ContextMenu,
    getTime: () => performance.now(),
    isValidConnection: (a: Loose, b: Loose) => fitting(a, b),
    isInsideRectangle: (x: number, y: number, left: number, top: number, width: number, height: number) => x > left && x < left + width && y > top && y < top + height,
    closeAllContextMenus: () => ContextMenu.closeAll(),
    cloneObject: (value: Loose, target?: Open) => (value == null ? null : Object.assign(target ?? {}, structuredClone(value))),
    uuidv4: () => crypto.randomUUID(),
    compareObjects: (a: Open, b: Open) => Object.keys(a).every((key) => a[key] === b[key]),
    distance: (a: number[], b: number[]) => Math.hypot((b[0] ?? 0) - (a[0] ?? 0), (b[1] ?? 0) - (a[1] ?? 0)),
    colorToString: (c: number[]) => `rgba(${c.slice(0, 3).map((part) => Math.round(part * 255)).join()},${c[3] ?? 1})`,
    registerNodeType(type: string, made: Loose): void {
      made.type = type;
      made.title ??= type.slice(type.lastIndexOf("/") + 1);
      made.category ??= type.includes("/") ? type.slice(0, type.lastIndexOf("/")) : "";
      // A class need not extend ours: what it lacks is put on it.
      if (!(made.prototype instanceof LGraphNode) && made !== LGraphNode)
        for (const level of [Object.getPrototypeOf(LGraphNode.prototype), LGraphNode.prototype])
          for (const key of Object.getOwnPropertyNames(level)) if (!(key in made.prototype)) Object.defineProperty(made.prototype, key, Object.getOwnPropertyDescriptor(level, key) ?? {});
      lite.registered_node_types[type] = made;
      lite.onNodeTypeRegistered?.(type, made);
    },
    unregisterNodeType(type: Loose): void {
      delete lite.registered_node_types[typeof type === "string" ? type : type.type];
    },
    clearRegisteredTypes(): void {
      lite.registered_node_types = {};
    },
    createNode(type: string, title?: string, options?: Open): Loose {
      const made = lite.registered_node_types[type];
      if (!made) return null;
      const node = new made(title ?? made.title ?? type);
      node.type = type;
      if (title) node.title = title;
      Object.assign(node, options);
      node.onNodeCreated?.();
      return node;
    },
    getNodeType: (type: string) => lite.registered_node_types[type],
    getNodeTypesInCategory: (category: string) => Object.values(lite.registered_node_types).filter((made: Loose) => (made.category ?? "") === category),
    getNodeTypesCategories: () => [...new Set(Object.values(lite.registered_node_types).map((made: Loose) => made.category ?? ""))].filter(Boolean),
    registerNodeAndSlotType(): void {},
    pointerListenerAdd: (element: HTMLElement, name: string, work: Loose, capture = false) => element.addEventListener(name.startsWith("pointer") ? name : `pointer${name}`, work, capture),
    pointerListenerRemove: (element: HTMLElement, name: string, work: Loose, capture = false) => element.removeEventListener(name.startsWith("pointer") ? name : `pointer${name}`, work, capture),
    extendClass(target: Loose, origin: Loose): void {
      for (const key of Object.keys(origin)) if (!(key in target)) target[key] = origin[key];
    },
    getParameterNames: (work: Loose) => String(work).slice(String(work).indexOf("(") + 1, String(work).indexOf(")")).split(",").map((name) => name.trim()),
  };
  return lite;
}
