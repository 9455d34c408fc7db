/** `window.__weft`: what tests and the curious may ask of the canvas. */
import { type NodeId, serialize } from "../graph";
import type { App } from "./app.svelte";
import { threadWords } from "./threads";

export interface Hook {
  /** Bring a node to the middle, at full size, and wait until it has its element. */
  locate(id: NodeId): Promise<boolean>;
  state(): unknown;
  links(): { id: number; text: string }[];
  /** Frames a second, and the longest frame in ms, while something else moves the canvas. */
  fps(ms: number): Promise<{ fps: number; p95: number; worst: number }>;
  readonly app: App;
}

declare global {
  interface Window {
    __weft?: Hook;
  }
}

export function installHook(app: App): () => void {
  const frame = (): Promise<number> => new Promise((resolve) => requestAnimationFrame(resolve));
  window.__weft = {
    app,
    async locate(id) {
      const { active } = app;
      const rect = active?.stage.layout.rect(id);
      if (!active || !rect) return false;
      const { size } = active.stage;
      const x = rect[0] + rect[2] / 2;
      const y = rect[3] > size[1] - 80 ? rect[1] + size[1] / 2 - 40 : rect[1] + rect[3] / 2;
      active.view.setCamera({ scale: 1, offset: [size[0] / 2 - x, size[1] / 2 - y] });
      for (let tries = 0; tries < 60; tries += 1) {
        await frame();
        if (document.querySelector(`[data-testid="node-${id}"]`)) return true;
      }
      return false;
    },
    state() {
      const { active } = app;
      if (!active) return null;
      const { document: graph, view, stage } = active;
      return {
        workflow: serialize(graph.state, graph.defs, view.camera),
        camera: view.camera,
        selection: [...view.selection.nodes],
        mounted: [...stage.mounted],
        far: stage.far,
        size: stage.size,
        boxes: Object.fromEntries([...stage.layout.boxes].map(([id, box]) => [id, [box.x, box.y, box.width, box.height]])),
        canUndo: graph.canUndo,
        canRedo: graph.canRedo,
        dirty: active.dirty,
        name: active.name,
        waiting: app.runner.waiting,
        running: app.runner.running,
        run: active.run && { id: active.run.id, phase: active.run.phase },
      };
    },
    links: () => (app.active ? threadWords(app.active) : []),
    async fps(ms) {
      const times: number[] = [];
      const start = await frame();
      let last = start;
      for (let now = await frame(); last - start < ms; now = await frame()) {
        times.push(now - last);
        last = now;
      }
      const sorted = [...times].sort((a, b) => a - b);
      return { fps: (times.length / (last - start)) * 1000, p95: sorted[Math.floor(sorted.length * 0.95)] ?? 0, worst: sorted.at(-1) ?? 0 };
    },
  };
  return () => delete window.__weft;
}
