/** Pictures of nodes as scripts have them: `imgs`, read as elements and written to show others. */
import type { FileRef, Folder } from "../../client";
import type { Editor } from "../../app/editor.svelte";
import { ROOT } from "../../graph";
import type { Loose, Open } from "../loose";

export class NodePictures {
  readonly #made = new WeakMap<Open, { readonly mark: string; readonly imgs: HTMLImageElement[] }>();

  constructor(
    readonly editor: Editor,
    readonly viewUrl: (file: FileRef) => string,
    readonly unsupported: (name: string) => void,
  ) {}

  /** Elements of what the node shows; undefined if that is nothing. The same ones as long as it is the same. */
  of(node: Open): HTMLImageElement[] | undefined {
    if (node.graph?.id !== this.editor.view.scope) return undefined;
    const files = this.editor.filesOf(node.id);
    if (files.length === 0) return undefined;
    const mark = JSON.stringify(files);
    const known = this.#made.get(node);
    if (known?.mark === mark) return known.imgs;
    const imgs = files.map((file) => {
      const img = new Image();
      img.src = new URL(this.viewUrl(file), location.href).href;
      return img;
    });
    this.#made.set(node, { mark, imgs });
    return imgs;
  }

  /** Show what a script has put there: files of the server, by their addresses. */
  show(node: Open, imgs: Loose): void {
    if (node.graph?.id !== ROOT || !Array.isArray(imgs) || imgs.length === 0) return;
    const files = imgs.map((img: Loose) => fileOf(String(img?.src ?? "")));
    if (files.every((file) => file !== undefined)) this.editor.showFiles(node.id, files);
    else this.unsupported("node.imgs of pictures that are no files of the server");
  }
}

function fileOf(src: string): FileRef | undefined {
  if (!URL.canParse(src, location.href)) return undefined;
  const { pathname, searchParams } = new URL(src, location.href);
  const filename = searchParams.get("filename");
  if (!pathname.endsWith("/view") || !filename) return undefined;
  return { filename, subfolder: searchParams.get("subfolder") ?? "", type: (searchParams.get("type") ?? "output") as Folder };
}
