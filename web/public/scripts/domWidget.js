// What packs import: one instance, which the canvas made before their scripts run.
const found = globalThis.comfyAPI?.domWidget ?? {};
export const addWidget = found.addWidget;
export const DOMWidgetImpl = found.DOMWidgetImpl;
export const ComponentWidgetImpl = found.ComponentWidgetImpl;
export const isDOMWidget = found.isDOMWidget;
export const isComponentWidget = found.isComponentWidget;
