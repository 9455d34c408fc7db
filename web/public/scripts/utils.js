// What packs import: one instance, which the canvas made before their scripts run.
const found = globalThis.comfyAPI?.utils ?? {};
export const applyTextReplacements = found.applyTextReplacements;
export const clone = found.clone;
export const addStylesheet = found.addStylesheet;
export const uploadFile = found.uploadFile;
export const prop = found.prop;
export const getStorageValue = found.getStorageValue;
export const setStorageValue = found.setStorageValue;
export const downloadBlob = found.downloadBlob;
