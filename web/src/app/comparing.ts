/** Which pictures can be held against each other, and opening them so. */
import type { FileRef } from "../client";
import type { App } from "./app.svelte";
import type { Compared } from "./popups.svelte";
import { t } from "../words";

const MOST = 60;

/** Pictures at hand: what nodes of the open workflow show, then what was made, the newest first. */
export function comparable(app: App): readonly Compared[] {
  const found = new Map<string, Compared>();
  const put = (file: FileRef, seed: string | undefined): void => {
    const key = `${file.type} ${file.subfolder} ${file.filename}`;
    const words = seed === undefined ? file.filename : `${file.filename} · ${t("queue.seed", { seed })}`;
    if (!found.has(key)) found.set(key, { file, words, url: app.client.viewUrl(file), small: app.client.viewUrl(file, { preview: "webp;80" }) });
  };
  for (const { files, seed } of app.active?.shown.values() ?? []) for (const file of files) put(file, seed);
  for (const job of app.jobs.ended) if (job.preview_output) put(job.preview_output, app.jobs.seedOf(job.id));
  return [...found.values()].slice(0, MOST);
}

/** Hold a picture against another: the one that is given, or the next at hand. @returns false if there is only one. */
export function compare(app: App, file: FileRef, other?: FileRef): boolean {
  const known = comparable(app);
  const find = (wanted: FileRef): Compared =>
    known.find((one) => same(one.file, wanted)) ?? { file: wanted, words: wanted.filename, url: app.client.viewUrl(wanted), small: undefined };
  const left = find(file);
  const all = known.includes(left) ? known : [left, ...known];
  const right = other ? find(other) : all[all.indexOf(left) + 1] ?? all.find((one) => one !== left);
  if (!right) return false;
  app.popups.show({ kind: "compare", left: other ? left : right, right: other ? right : left, all });
  return true;
}

function same(a: FileRef, b: FileRef): boolean {
  return a.filename === b.filename && a.subfolder === b.subfolder && a.type === b.type;
}
