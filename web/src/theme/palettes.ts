/**
 * A person's own colours: by role, over the dark or the light theme. As a file it is JSON:
 * `{ "weft_palette": 1, "name": "Sea", "base": "dark", "roles": { "accent": "#58c4dd" } }`; roles are those of `tokens.css`.
 */

export const SURFACES = ["canvas", "dot", "panel", "raised", "inset", "hover"] as const;
export const TEXTS = ["text", "soft", "faint", "line", "line-strong", "accent", "on-accent", "good", "bad"] as const;
export const THREADS = ["model", "clip", "vae", "cond", "latent", "image", "mask", "control", "number", "string"] as const;
export const ROLES = [...SURFACES, ...TEXTS, ...THREADS] as const;
export type Role = (typeof ROLES)[number];

export interface OwnColours {
  readonly name: string;
  readonly base: "dark" | "light";
  /** `#rrggbb` in small letters. */
  readonly roles: Readonly<Partial<Record<Role, string>>>;
}

/** What is wrong with a file; who shows it has the words. */
export class PaletteError extends Error {
  override name = "PaletteError";

  constructor(
    readonly problem: "not-object" | "unknown-role" | "no-colour",
    readonly role: string = "",
  ) {
    super(`${problem} ${role}`.trim());
  }
}

/** @throws PaletteError, SyntaxError if the text is no JSON. */
export function readColours(text: string): OwnColours {
  const json: unknown = JSON.parse(text);
  if (!isRecord(json) || !isRecord(json.roles)) throw new PaletteError("not-object");
  const roles = Object.entries(json.roles).map(([role, value]): [Role, string] => {
    if (!(ROLES as readonly string[]).includes(role)) throw new PaletteError("unknown-role", role);
    if (typeof value !== "string" || !/^#(?:[0-9a-f]{3}|[0-9a-f]{6})$/i.test(value)) throw new PaletteError("no-colour", role);
    return [role as Role, long(value.toLowerCase())];
  });
  return { name: typeof json.name === "string" ? json.name.slice(0, 80) : "", base: json.base === "light" ? "light" : "dark", roles: Object.fromEntries(roles) };
}

export function writeColours({ name, base, roles }: OwnColours): string {
  return `${JSON.stringify({ weft_palette: 1, name, base, roles }, null, 2)}\n`;
}

/** Contrast of two colours, 1 to 21. Source: WCAG 2.2, "contrast ratio" and "relative luminance". */
export function contrast(one: string, other: string): number {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** Words that are hard to read where they stand: under 4.5 to 1. @param colour of each role as it is shown now. */
export function weakWords(colour: (role: Role) => string): readonly { readonly role: Role; readonly ground: Role; readonly ratio: number }[] {
  const stand = (["text", "soft", "faint"] as const).flatMap((role) => (["canvas", "panel", "raised", "inset"] as const).map((ground) => ({ role, ground })));
  const all: readonly { readonly role: Role; readonly ground: Role }[] = [...stand, { role: "on-accent", ground: "accent" }, { role: "bad", ground: "panel" }];
  return all.map((pair) => ({ ...pair, ratio: contrast(colour(pair.role), colour(pair.ground)) })).filter(({ ratio }) => ratio < 4.5);
}

function luminance(colour: string): number {
  const value = Number.parseInt(long(colour).slice(1), 16);
  const linear = (byte: number): number => (byte / 255 <= 0.04045 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(value >> 16) + 0.7152 * linear((value >> 8) & 255) + 0.0722 * linear(value & 255);
}

/** "#abc" as "#aabbcc". */
function long(colour: string): string {
  return colour.length === 4 ? `#${[...colour.slice(1)].map((digit) => digit + digit).join("")}` : colour.slice(0, 7);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
