import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

/** Where a server runs while the canvas is developed: `WEFT_SERVER=http://127.0.0.1:8189 npm run dev`. */
const server = process.env.WEFT_SERVER ?? "http://127.0.0.1:8188";

export default defineConfig({
  base: "./",
  plugins: [svelte()],
  build: { outDir: "dist", target: "es2022", sourcemap: false, assetsInlineLimit: 0, reportCompressedSize: false },
  server: { proxy: { "/api": server, "/ws": { target: server, ws: true } } },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});
