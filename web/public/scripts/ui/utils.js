// What packs import: one instance, which the canvas made before their scripts run.
const found = globalThis.comfyAPI?.uiUtils ?? {};
export const applyClasses = found.applyClasses;
export const toggleElement = found.toggleElement;
