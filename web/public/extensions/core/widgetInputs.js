// What packs import: one instance, which the canvas made before their scripts run.
const found = globalThis.comfyAPI?.widgetInputs ?? {};
export const getWidgetConfig = found.getWidgetConfig;
export const setWidgetConfig = found.setWidgetConfig;
export const convertToInput = found.convertToInput;
export const mergeIfValid = found.mergeIfValid;
export const PrimitiveNode = found.PrimitiveNode;
