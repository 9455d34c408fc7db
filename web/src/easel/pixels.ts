/** Pictures as pixels and back. Canvases forget the colours of what is clear, so colours and alpha come apart. */

export interface Loaded {
  readonly size: readonly [number, number];
  /** RGBA, opaque. */
  readonly colours: Uint8ClampedArray<ArrayBuffer>;
  /** RGBA of which only the alpha means something; undefined where it was not asked for. */
  readonly alpha: Uint8ClampedArray<ArrayBuffer> | undefined;
}

export async function loadPicture(url: string, alphaUrl: string | undefined): Promise<Loaded> {
  const [picture, alpha] = await Promise.all([load(url), alphaUrl === undefined ? undefined : load(alphaUrl)]);
  const size = [picture.naturalWidth, picture.naturalHeight] as const;
  return { size, colours: pixelsOf(picture, ...size), alpha: alpha && pixelsOf(alpha, ...size) };
}

async function load(url: string): Promise<HTMLImageElement> {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

function pixelsOf(image: HTMLImageElement, width: number, height: number): Uint8ClampedArray<ArrayBuffer> {
  const context = board(width, height)[1];
  context.drawImage(image, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data as Uint8ClampedArray<ArrayBuffer>;
}

function board(width: number, height: number): [OffscreenCanvas, OffscreenCanvasRenderingContext2D] {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("This browser has no 2D canvas.");
  return [canvas, context];
}

/** @param rgba of a picture `width` wide. @param part what of it: left, top, width, height. */
export async function asPng(rgba: Uint8ClampedArray<ArrayBuffer>, width: number, part?: readonly [number, number, number, number]): Promise<Blob> {
  const [left, top, wide, high] = part ?? [0, 0, width, rgba.length / 4 / width];
  const [canvas, context] = board(wide, high);
  context.putImageData(new ImageData(rgba, width), -left, -top);
  return canvas.convertToBlob({ type: "image/png" });
}

/** Where a picture is clear, its mask is painted. */
export function maskOf(rgba: Uint8ClampedArray): Uint8ClampedArray {
  return Uint8ClampedArray.from({ length: rgba.length / 4 }, (_, index) => 255 - (rgba[index * 4 + 3] ?? 255));
}

/** A picture's alpha, if any of it is clear. */
export function clearParts(rgba: Uint8ClampedArray<ArrayBuffer> | undefined): Uint8ClampedArray<ArrayBuffer> | undefined {
  return rgba?.some((value, index) => index % 4 === 3 && value < 255) === true ? rgba : undefined;
}
