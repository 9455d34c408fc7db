/** Colours that people and files give to nodes, made calm: their hue alone counts, greys give none. */

/** @returns a CSS colour, or undefined where there is no hue to speak of. */
export function tintOf(colour: string | undefined): string | undefined {
  const rgb = colour === undefined ? undefined : readHex(colour);
  if (!rgb) return undefined;
  const [r, g, b] = rgb;
  const [most, least] = [Math.max(r, g, b), Math.min(r, g, b)];
  const spread = most - least;
  if (most === 0 || spread / most < 0.12) return undefined;
  const sixth = most === r ? ((g - b) / spread + 6) % 6 : most === g ? (b - r) / spread + 2 : (r - g) / spread + 4;
  return `hsl(${Math.round(sixth * 60)} 48% 52%)`;
}

function readHex(colour: string): [number, number, number] | undefined {
  const digits = /^#([\da-f]{3}|[\da-f]{6})$/i.exec(colour)?.[1];
  if (!digits) return undefined;
  const pairs = digits.length === 3 ? [...digits].map((digit) => digit + digit) : (digits.match(/../g) ?? []);
  const [r = 0, g = 0, b = 0] = pairs.map((pair) => Number.parseInt(pair, 16));
  return [r, g, b];
}
