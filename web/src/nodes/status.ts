/** What a node's title says at its right: what a person asks next. */
import type { NodeRun } from "../client";
import { Mode } from "../graph";

export function statusWords(mode: number, run: NodeRun | undefined): string {
  if (mode === Mode.Never) return "muted";
  if (mode === Mode.Bypass) return "bypassed";
  switch (run?.state) {
    case "running":
      return run.max !== undefined && run.max > 1 ? `${run.value ?? 0} / ${run.max}` : "running";
    case "cached":
      return "cached";
    case "done":
      return run.ms === undefined ? "" : duration(run.ms);
    case "stopped":
      return "stopped";
    case "off":
      return "switched off";
    default:
      return "";
  }
}

/** What is told of it to who asks further: why it is off, or the memory that it took. */
export function statusDetails(run: NodeRun | undefined): string | undefined {
  if (run?.state === "off") return run.note;
  if (run?.state !== "done" || !run.memory) return undefined;
  const { growth, device } = run.memory;
  const parts = [...(growth >= MEGABYTE ? [`${sizeWords(growth)} more memory`] : []), ...(device > 0 ? [`${sizeWords(device)} on the graphics card`] : [])];
  return parts.length > 0 ? parts.join(", ") : undefined;
}

const MEGABYTE = 1 << 20;

export function sizeWords(bytes: number): string {
  const megabytes = bytes / MEGABYTE;
  if (megabytes < 1) return `${(bytes / 1024).toFixed(1)} KB`;
  return megabytes < 1024 ? `${Math.round(megabytes)} MB` : `${(megabytes / 1024).toFixed(1)} GB`;
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  return `${minutes} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** Share that is done; undefined if the node does not run. */
export function progressOf(run: NodeRun | undefined): number | undefined {
  if (run?.state !== "running") return undefined;
  return run.max !== undefined && run.max > 0 ? Math.min(1, (run.value ?? 0) / run.max) : 0;
}
