/** The theme's colours as the painters need them: read once, and again when the theme changes. */
import { KINDS, type Kind, lookOf } from "./kinds";

export interface Palette {
  readonly canvas: string;
  readonly dot: string;
  readonly panel: string;
  readonly raised: string;
  readonly line: string;
  readonly lineStrong: string;
  readonly text: string;
  readonly soft: string;
  readonly faint: string;
  readonly accent: string;
  readonly bad: string;
  readonly font: string;
  readonly kinds: Readonly<Record<Kind, string>>;
}

export function readPalette(element: Element): Palette {
  const style = getComputedStyle(element);
  const value = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const kinds = Object.fromEntries(KINDS.map((kind) => [kind, value(kind)])) as Record<Kind, string>;
  return {
    canvas: value("canvas"),
    dot: value("dot"),
    panel: value("panel"),
    raised: value("raised"),
    line: value("line"),
    lineStrong: value("line-strong"),
    text: value("text"),
    soft: value("soft"),
    faint: value("faint"),
    accent: value("accent"),
    bad: value("bad"),
    font: value("font"),
    kinds,
  };
}

export function colourOf(palette: Palette, type: string): string {
  return palette.kinds[lookOf(type).kind];
}
