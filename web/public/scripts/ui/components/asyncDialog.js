// What packs import: one instance, which the canvas made before their scripts run.
const found = globalThis.comfyAPI?.asyncDialog ?? {};
export const ComfyAsyncDialog = found.ComfyAsyncDialog;
