/** A file that a person opens or drops: a workflow, a prompt, or a picture, film, sound, drawing or latent that carries one. */
import type { NodeDefs } from "../defs";
import { JsonError, parseJson } from "../json";
import { openJson } from "../workflow/api-file";
import type { ParsedWorkflow } from "../workflow/parse";
import { WorkflowError } from "../workflow/read";
import { type MediaKind, kindOf, readTexts } from "./texts";

/** The file is of a kind that could carry a workflow, and carries none. */
export class NothingCarried extends WorkflowError {
  constructor(readonly kind: MediaKind) {
    super(["png", "webp", "jpeg", "svg"].includes(kind) ? "picture-bare" : "file-bare");
  }
}

/** @throws WorkflowError that says why nothing was found; JsonError if a JSON file is broken. */
export async function openFile(bytes: Uint8Array, defs: NodeDefs): Promise<ParsedWorkflow> {
  const kind = kindOf(bytes);
  if (!kind) return openJson(parseJson(readText(bytes)), defs);
  const texts = await readTexts(bytes, kind);
  for (const key of ["workflow", "prompt"]) {
    const text = texts.get(key);
    const found = text === undefined ? undefined : tryOpen(text, defs);
    if (found) return found;
  }
  throw new NothingCarried(kind);
}

function readText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new WorkflowError("neither");
  }
}

/** Undefined if the text is broken: the file may carry another. */
function tryOpen(text: string, defs: NodeDefs): ParsedWorkflow | undefined {
  try {
    return openJson(parseJson(text), defs);
  } catch (error) {
    if (error instanceof JsonError || error instanceof WorkflowError) return undefined;
    throw error;
  }
}
