/** What a node's title says at its right: what a person asks next. */
import type { NodeRun } from "../client";
import { Mode } from "../graph";
import { t } from "../words";
import { fixed } from "../words/format";

export function statusWords(mode: number, run: NodeRun | undefined): string {
  if (mode === Mode.Never) return t("nodes.muted");
  if (mode === Mode.Bypass) return t("nodes.bypassed");
  switch (run?.state) {
    case "running":
      return run.max !== undefined && run.max > 1 ? `${run.value ?? 0} / ${run.max}` : t("nodes.running");
    case "cached":
      return t("nodes.cached");
    case "done":
      return run.ms === undefined ? "" : duration(run.ms);
    case "stopped":
      return t("nodes.stopped");
    case "off":
      return t("nodes.switched-off");
    default:
      return "";
  }
}

/** What is told of it to who asks further: why it is off, or the memory that it took. */
export function statusDetails(run: NodeRun | undefined): string | undefined {
  if (run?.state === "off") return run.note;
  if (run?.state !== "done" || !run.memory) return undefined;
  const { growth, device } = run.memory;
  const parts = [...(growth >= MEGABYTE ? [t("nodes.more-memory", { size: sizeWords(growth) })] : []), ...(device > 0 ? [t("nodes.on-card", { size: sizeWords(device) })] : [])];
  return parts.length > 0 ? parts.join(", ") : undefined;
}

const MEGABYTE = 1 << 20;

export function sizeWords(bytes: number): string {
  const megabytes = bytes / MEGABYTE;
  if (megabytes < 1) return t("nodes.kilobytes", { count: fixed(bytes / 1024, 1) });
  return megabytes < 1024 ? t("nodes.megabytes", { count: fixed(megabytes, 0) }) : t("nodes.gigabytes", { count: fixed(megabytes / 1024, 1) });
}

export function duration(ms: number): string {
  if (ms < 1000) return t("nodes.milliseconds", { count: fixed(ms, 0) });
  if (ms < 60_000) return t("nodes.seconds", { count: fixed(ms / 1000, 1) });
  const minutes = Math.floor(ms / 60_000);
  return t("nodes.minutes", { minutes, seconds: Math.round((ms % 60_000) / 1000) });
}

/** Share that is done; undefined if the node does not run. */
export function progressOf(run: NodeRun | undefined): number | undefined {
  if (run?.state !== "running") return undefined;
  return run.max !== undefined && run.max > 0 ? Math.min(1, (run.value ?? 0) / run.max) : 0;
}
