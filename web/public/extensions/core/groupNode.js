// What packs import: one instance, which the canvas made before their scripts run.
const found = globalThis.comfyAPI?.groupNode ?? {};
export const GroupNodeConfig = found.GroupNodeConfig;
export const GroupNodeHandler = found.GroupNodeHandler;
