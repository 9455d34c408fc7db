/** What the window of all tools is given: tools, acts, the history of what is drawn. */
import Brush from "@lucide/svelte/icons/brush";
import Eraser from "@lucide/svelte/icons/eraser";
import PaintBucket from "@lucide/svelte/icons/paint-bucket";
import type { Rect } from "../graph";
import { t } from "../words";
import type { Tool } from "./easel.svelte";

export type Icon = typeof Brush;

export interface BenchTool {
  readonly id: Tool;
  readonly label: string;
  /** A letter that takes it. */
  readonly key: string;
  readonly Icon: Icon;
}

/** Done at once. `key` as the keyboard names it, in small letters. */
export interface Act {
  readonly label: string;
  readonly key: string;
  readonly Icon: Icon;
  readonly run: () => void;
}

export interface History {
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  readonly undo: () => void;
  readonly redo: () => void;
}

/** Tools of everything that is drawn by strokes. */
export function strokeTools(): readonly BenchTool[] {
  return [
    { id: "brush", label: t("mask.brush"), key: "B", Icon: Brush },
    { id: "eraser", label: t("mask.eraser"), key: "E", Icon: Eraser },
    { id: "fill", label: t("mask.fill"), key: "G", Icon: PaintBucket },
  ];
}

interface Drawn {
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  undo(): Rect | undefined;
  redo(): Rect | undefined;
}

/** @param paint draws again what has changed. */
export function historyOf(drawn: Drawn | undefined, paint: (rect: Rect | undefined) => void): History {
  return {
    canUndo: drawn?.canUndo === true,
    canRedo: drawn?.canRedo === true,
    undo: () => paint(drawn?.undo()),
    redo: () => paint(drawn?.redo()),
  };
}
