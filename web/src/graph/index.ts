/** The document model, whole. It knows no DOM. */
export * from "./types";
export { bareNode, emptyGraph, emptyState, isArray, isObject, jsonEqual } from "./values";
export { JsonError, type JsonProblem, parseJson, stringifyJson } from "./json";
export * from "./defs";
export { MARKDOWN_NOTE, NOTE, PRIMITIVE, REROUTE } from "./virtual-defs";
export {
  PRIMITIVE_KEY,
  UPLOAD_KEY,
  type WidgetEntry,
  type WidgetRole,
  controlKey,
  valueOf,
  widgetsOf,
} from "./widgets";
export { compatible } from "./compatible";
export * from "./queries";
export { BOUNDARY, NEW_SLOT, isBoundary, withBoundary } from "./boundary";
export { type Clash, type Merged, mergeStates } from "./merge-states";
export { type Comparison, type Difference, compareStates } from "./compare";
export { defaultSize, makeNode } from "./make-node";
export { type Command, type DocumentOptions, GraphDocument, type History, type Listener } from "./document";
export type { Draft } from "./draft";
export * from "./commands/nodes";
export * from "./commands/links";
export * from "./commands/weave";
export * from "./commands/groups";
export * from "./commands/refresh";
export { keptLinks, replaceNode } from "./commands/replace";
export { type LinkPoint, movePoint, pointsOf, pointsOn, removePoint } from "./points";
export { type Form, NO_FORM, formOf, setForm } from "./form";
export { hidesAll, hideThreads, isHidden } from "./hidden";
export { type Side, labelSlot, removeSlot } from "./commands/boundary";
export { makeSubgraph, pathTo, unpackSubgraph } from "./commands/subgraphs";
export { type Blueprint, blueprintOf, insertBlueprint, readBlueprint } from "./blueprint";
export * from "./clipboard";
export * from "./view";
export { type Edge, type Seen, aligned } from "./align";
export { arrange } from "./arrange";
export { type ParsedWorkflow, parseWorkflow } from "./workflow/parse";
export { type FileProblem, WorkflowError } from "./workflow/read";
export { serialize } from "./workflow/serialize";
export { isPrompt, openJson, parsePrompt } from "./workflow/api-file";
export { type Prompt, type PromptNode, type PromptOptions, toPrompt } from "./prompt/to-prompt";
export { targetsOf } from "./prompt/targets";
export { applyControls } from "./prompt/controls";
export type { Random } from "./prompt/text";
export { isPng, readPngTexts } from "./media/png";
export type { MediaKind } from "./media/texts";
export { NothingCarried, openFile } from "./media/open";
export * from "./texts";
export { type Entry, type Snapshot, type ViewRecord } from "./journal/entries";
export { Journal, type JournalOptions } from "./journal/journal";
export { type Restored, restoreJournal } from "./journal/restore";
export { BrowserJournals, type JournalStore } from "./journal/store";
