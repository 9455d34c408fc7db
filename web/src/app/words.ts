/** Words that the app makes of what the document and the server say. */
import { type PlainKey, isKey, t } from "../words";
import { HttpError } from "../client";
import { JsonError, WorkflowError } from "../graph";

/** "apple study" for "apple study.json". */
export function nameOfFile(path: string): string {
  return path.replace(/\.json$/, "");
}

/** What went wrong, in words for people. */
export function messageOf(error: unknown): string {
  if (error instanceof JsonError) return t("errors.not-json", { problem: t(`errors.json.${error.problem}`), line: error.line });
  if (error instanceof WorkflowError) return t(`errors.${error.problem}`);
  if (error instanceof HttpError && error.unsaid) {
    const { why, route } = error.unsaid;
    return why === "no-answer" ? t("errors.no-answer") : why === "refused" ? t("errors.refused", { route, status: String(error.status) }) : t("errors.unexpected", { route });
  }
  return error instanceof Error ? error.message : String(error);
}

/** A step of the history: documents name it in English, and so do journals of other days. */
export function stepWords(label: string): string {
  const set = /^Set (.*)$/.exec(label);
  if (set) return t("steps.set", { fields: set[1] ?? "" });
  const name = label.toLowerCase().replaceAll(" ", "-");
  const key = [`steps.${name}`, `actions.${name}`].find(isKey);
  return key === undefined ? label : t(key as PlainKey);
}
