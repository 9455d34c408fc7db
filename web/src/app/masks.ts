/** Pictures that nodes load, on the easel: a mask is drawn, colours are painted, a part is cut out. What comes of it takes the picture's place. */
import type { FileRef } from "../client";
import { type GraphId, type NodeId, setWidget, widgetsOf } from "../graph";
import type { App } from "./app.svelte";
import type { Editor } from "./editor.svelte";
import { chosenFile, mediaOf } from "./pictures";

/** The field whose picture gets the mask. */
export interface MaskTarget {
  readonly editor: Editor;
  readonly scope: GraphId;
  readonly node: NodeId;
  readonly key: string;
  readonly file: FileRef;
}

/** The node's field that has a picture chosen, if there is one. */
export function maskTarget(editor: Editor, id: NodeId): MaskTarget | undefined {
  const { document, view, stage } = editor;
  const node = stage.graph.nodes.get(id);
  const file = node && chosenFile(document.defs, document.state, view.scope, node);
  const entry = node && widgetsOf(document.defs, document.state, view.scope, node).find(({ widget }) => widget.kind === "combo" && widget.upload?.kind === "image");
  return node && file && entry ? { editor, scope: view.scope, node: id, key: entry.key, file } : undefined;
}

/** A picture that the node shows or is given by a thread. */
export function pictureFor(editor: Editor, id: NodeId): FileRef | undefined {
  const { graph } = editor.stage;
  const given = (graph.nodes.get(id)?.inputs ?? []).flatMap(({ type, link }) => (type === "IMAGE" && link !== null ? (graph.links.get(link)?.from.node ?? []) : []));
  return [id, ...given].flatMap((node) => editor.filesOf(node)).find((file) => mediaOf(file) === "picture");
}

/** What can be done on the easel. */
export const EASEL = ["mask", "paint", "crop"] as const;
export type EaselWork = (typeof EASEL)[number];

export function openEasel(app: App, kind: EaselWork, target: MaskTarget): void {
  const fresh = String(Date.now());
  const url = (channel: string): string => app.client.viewUrl(target.file, { channel, fresh });
  app.popups.show({ kind, name: target.file.filename, url: url("rgb"), alphaUrl: url("rgba"), target });
}

/** A copy of the picture with the mask in its alpha; the node takes it from now on, and undo gives the old one back. */
export async function useMask(app: App, target: MaskTarget, mask: Blob): Promise<void> {
  await take(app, target, await app.client.uploadMask(mask, workedName(target.file.filename, "masked"), target.file), "Draw a mask");
}

/**
 * Another picture in the place of the one that the node loads.
 * @param alpha a picture whose alpha the new one gets: a canvas would forget the colours of what is clear, the server does not.
 */
export async function usePicture(app: App, target: MaskTarget, picture: Blob, alpha: Blob | undefined, work: "painted" | "cropped"): Promise<void> {
  const name = workedName(target.file.filename, work);
  const opaque = await app.client.upload(picture, name, alpha ? { folder: "temp" } : {});
  const whole = alpha ? await app.client.uploadMask(alpha, name, opaque) : opaque;
  await take(app, target, whole, work === "painted" ? "Paint" : "Crop");
}

async function take(app: App, { editor, scope, node, key }: MaskTarget, { filename, subfolder }: FileRef, label: string): Promise<void> {
  await app.reread();
  editor.document.execute({ ...setWidget(scope, node, key, subfolder === "" ? filename : `${subfolder}/${filename}`), label });
  editor.document.seal();
}

/** "apple.jpg" becomes "apple masked.png", which stays so however often it is worked on: the server numbers what would be there twice. */
export function workedName(filename: string, work: "masked" | "painted" | "cropped"): string {
  const stem = filename.replace(/\.\w+$/, "").replace(/ (masked|painted|cropped)( \(\d+\))?$/, "");
  return `${stem} ${work}.png`;
}
