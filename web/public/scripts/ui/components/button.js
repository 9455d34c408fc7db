// What packs import: one instance, which the canvas made before their scripts run.
const found = globalThis.comfyAPI?.button ?? {};
export const ComfyButton = found.ComfyButton;
