/** The app, for every component under it. */
import { getContext, setContext } from "svelte";
import type { App } from "./app.svelte";
import type { Editor } from "./editor.svelte";

const APP = Symbol("app");
const EDITOR = Symbol("editor");

export function provideApp(app: App): void {
  setContext(APP, app);
}

export function getApp(): App {
  return getContext<App>(APP);
}

export function provideEditor(editor: Editor): void {
  setContext(EDITOR, editor);
}

/** The workflow that a component belongs to. */
export function getEditor(): Editor {
  return getContext<Editor>(EDITOR);
}
