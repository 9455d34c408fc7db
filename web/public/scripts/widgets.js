// What packs import: one instance, which the canvas made before their scripts run.
const found = globalThis.comfyAPI?.widgets ?? {};
export const ComfyWidgets = found.ComfyWidgets;
export const isValidWidgetType = found.isValidWidgetType;
export const addValueControlWidget = found.addValueControlWidget;
export const addValueControlWidgets = found.addValueControlWidgets;
export const updateControlWidgetLabel = found.updateControlWidgetLabel;
