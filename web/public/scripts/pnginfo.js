// What packs import: one instance, which the canvas made before their scripts run.
const found = globalThis.comfyAPI?.pnginfo ?? {};
export const importA1111 = found.importA1111;
export const getPngMetadata = found.getPngMetadata;
export const getFlacMetadata = found.getFlacMetadata;
export const getAvifMetadata = found.getAvifMetadata;
export const getWebpMetadata = found.getWebpMetadata;
export const getLatentMetadata = found.getLatentMetadata;
