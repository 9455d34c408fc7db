// What packs import: one instance, which the canvas made before their scripts run.
const found = globalThis.comfyAPI?.api ?? {};
export const api = found.api;
export const ComfyApi = found.ComfyApi;
