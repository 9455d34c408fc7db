/** The page: mounts the app. */
import "@fontsource-variable/inter/index.css";
import "@fontsource-variable/jetbrains-mono/index.css";
import "./theme/tokens.css";
import "./theme/base.css";
import "./widgets/field.css";
import { mount } from "svelte";
import { App } from "./app/app.svelte";
import Shell from "./app/Shell.svelte";
import { speakChosen } from "./words/page.svelte";

const target = document.querySelector("#app");
if (!target) throw new Error("The page has no place for the app.");
const app = new App(new URL(".", location.href).href);
const form = new URLSearchParams(location.search).get("form");
// A language that cannot be loaded is no reason to show nothing: English is here.
void speakChosen(app.preferences.language)
  .catch((error: unknown) => console.error(error))
  .then(async () => {
    if (form === null) mount(Shell, { target, props: { app } });
    else mount((await import("./form/FormPage.svelte")).default, { target, props: { app, path: form } });
  });
