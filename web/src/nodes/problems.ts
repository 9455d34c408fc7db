/** What is wrong with a node, said so that a person knows what to do. */
import { type NodeError, RUN_LOST } from "../client";
import { t } from "../words";

export interface Problem {
  /** What is wrong, in one sentence. */
  readonly what: string;
  /** What to do. */
  readonly hint: string;
  readonly input?: string;
  /** The one action that is offered. */
  readonly action?: "choose" | "supply" | "packs" | "details";
  readonly details?: string;
}

export function problemOf(type: string, known: boolean, faults: readonly NodeError[] = [], error?: NodeError): readonly Problem[] {
  const missing: Problem = {
    what: t("nodes.unknown-type", { type }),
    hint: t("nodes.unknown-type-hint"),
    action: "packs",
  };
  if (!known) return [missing];
  return [...faults.map(ofFault), ...(error ? [ofError(error)] : [])];
}

function ofFault(fault: NodeError): Problem {
  const name = fault.input ?? "";
  const at = fault.input === undefined ? {} : { input: fault.input };
  switch (fault.kind) {
    case "required_input_missing":
      return { ...at, what: t("nodes.needs-thread", { input: name || fault.cause }), hint: t("nodes.needs-thread-hint"), action: "supply" };
    case "value_not_in_list":
      return { ...at, what: notInList(fault.cause, name), hint: t("nodes.choose-another-input", { input: name }), action: "choose" };
    case "value_smaller_than_min":
    case "value_bigger_than_max":
      return { ...at, what: t("nodes.out-of-range", { input: name }), hint: sentence(fault.cause) };
    case "invalid_input_type":
      return { ...at, what: t("nodes.unreadable", { input: name }), hint: sentence(fault.cause) };
    case "return_type_mismatch":
      return { ...at, what: t("nodes.misfit", { input: name }), hint: sentence(fault.cause) };
    case "dependency_cycle":
      return { what: t("nodes.cycle"), hint: t("nodes.cycle-hint") };
    case "custom_validation_failed":
      return { ...at, what: sentence(fault.cause.replace(/^[\w.]+ - /, "") || fault.message), hint: name ? t("nodes.change-input", { input: name }) : "" };
    default:
      return { ...at, what: sentence(fault.message), hint: fault.cause };
  }
}

/** The field's form of it: `name: 'value' not in [...]`. */
function notInList(details: string, name: string): string {
  const told = /:\s*'?(.*?)'?\s+not in/.exec(details);
  return t("nodes.not-in-list", { value: told?.[1] || name });
}

/** The first sentence is what is wrong, the rest what to do. */
function ofError(error: NodeError): Problem {
  if (error.message === RUN_LOST) return { what: t("errors.run-lost"), hint: t("errors.run-lost-hint") };
  const [what = "", ...rest] = error.message.split(/(?<=[.!?])\s+(?=[A-Z"'(])|\n+/);
  const hint = rest.join(" ");
  const kind = /^[\w.]*?(\w+)$/.exec(error.cause)?.[1] ?? error.cause;
  const trace = error.traceback.join("").trim();
  return {
    what: what === "" ? kind : sentence(what),
    hint,
    ...(trace !== "" && { action: "details" as const, details: `${kind}: ${error.message}\n\n${trace}` }),
  };
}

function sentence(text: string): string {
  const trimmed = text.trim();
  if (trimmed === "") return "";
  const begun = trimmed[0]?.toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

const LINE = 17.5;
const LETTER = 6.3;

/** Room for the problems at the foot of a node, by the length of their words. */
export function problemHeight(problems: readonly Problem[], width: number): number {
  if (problems.length === 0) return 0;
  const letters = Math.max(12, (Math.max(140, width) - 44) / LETTER);
  const lines = (text: string): number => (text === "" ? 0 : text.split("\n").reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / letters)), 0));
  return problems.reduce((sum, { what, hint, action }) => sum + 24 + LINE * (lines(what) + lines(hint) + (action ? 1 : 0)), 6);
}
