/** The server as the editor knows it. */
export * from "./wire";
export { Client, type ClientOptions, HttpError, type QueueAnswer, conflictOf } from "./http";
export { type Connection, type EventMap, type EventName, Events, type EventsOptions, type Socket } from "./events";
export {
  NO_RUNS,
  type NodeError,
  type NodeRun,
  type NodeState,
  type Run,
  type RunEvent,
  type RunPhase,
  type Runs,
  reduce,
  visibleNode,
  RUN_LOST,
} from "./runs";
export { recollect, resync } from "./resync";
