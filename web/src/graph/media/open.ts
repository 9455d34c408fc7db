/** A file that a person opens or drops: a workflow, a prompt, or a picture that carries one. */
import type { NodeDefs } from "../defs";
import { JsonError, parseJson } from "../json";
import { openJson } from "../workflow/api-file";
import type { ParsedWorkflow } from "../workflow/parse";
import { WorkflowError } from "../workflow/read";
import { isPng, readPngTexts } from "./png";

/** @throws WorkflowError that says why nothing was found; JsonError if a JSON file is broken. */
export async function openFile(bytes: Uint8Array, defs: NodeDefs): Promise<ParsedWorkflow> {
  if (!isPng(bytes)) return openJson(parseJson(readText(bytes)), defs);
  const texts = await readPngTexts(bytes);
  for (const key of ["workflow", "prompt"]) {
    const text = texts.get(key);
    const found = text === undefined ? undefined : tryOpen(text, defs);
    if (found) return found;
  }
  throw new WorkflowError(
    "This picture carries no workflow. Pictures keep it only if nothing has re-saved them since.",
  );
}

function readText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new WorkflowError("This file is neither JSON nor a PNG picture.");
  }
}

/** Undefined if the text is broken: the picture may carry another. */
function tryOpen(text: string, defs: NodeDefs): ParsedWorkflow | undefined {
  try {
    return openJson(parseJson(text), defs);
  } catch (error) {
    if (error instanceof JsonError || error instanceof WorkflowError) return undefined;
    throw error;
  }
}
