/** Scripts of packs: which there are, and letting them in. */
import type { Client } from "../client";
import { isArray } from "../graph";
import { t } from "../words";
import type { App } from "./app.svelte";
import { messageOf } from "./words";

/** Addresses of scripts that packs bring; none of an older server. */
export async function scriptsOf(client: Client): Promise<readonly string[]> {
  const found = await client.get("extensions").catch(() => null);
  return isArray(found) ? found.map(String) : [];
}

/** Let scripts of packs in. Whatever becomes of them, the canvas opens. */
export async function letIn(app: App, scripts: readonly string[]): Promise<void> {
  try {
    const { boot } = await import("../extensions/runtime.svelte");
    const extensions = await boot(app, scripts, app.locales.raw);
    app.locales.shape = (raw) => extensions.refresh(raw);
    app.defs = app.locales.reshape(extensions.defs());
    app.extensions = extensions;
  } catch (error) {
    console.error(error);
    app.popups.tell(t("shell.scripts-failed", { reason: messageOf(error) }), { bad: true });
  }
}
