// What packs import: one instance, which the canvas made before their scripts run.
const found = globalThis.comfyAPI?.ui ?? {};
export const $el = found.$el;
export const ComfyDialog = found.ComfyDialog;
export const ComfyUI = found.ComfyUI;
