/** The page: mounts the app. */
import "@fontsource-variable/inter/index.css";
import "@fontsource-variable/jetbrains-mono/index.css";
import "./theme/tokens.css";
import "./theme/base.css";
import "./widgets/field.css";
import { mount } from "svelte";
import { App } from "./app/app.svelte";
import Shell from "./app/Shell.svelte";

const target = document.querySelector("#app");
if (!target) throw new Error("The page has no place for the app.");
mount(Shell, { target, props: { app: new App(new URL(".", location.href).href) } });
