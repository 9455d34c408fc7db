// What packs import: one instance, which the canvas made before their scripts run.
const found = globalThis.comfyAPI?.app ?? {};
export const app = found.app;
export const ComfyApp = found.ComfyApp;
export const ANIM_PREVIEW_WIDGET = found.ANIM_PREVIEW_WIDGET;
export const sanitizeNodeName = found.sanitizeNodeName;
