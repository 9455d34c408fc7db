// Weft's interface for extensions, version 1. Types: v1.d.ts beside this file.
const found = globalThis.weftExtensions ?? {};
export const version = found.version;
export const register = found.register;
export const weft = found.weft;
