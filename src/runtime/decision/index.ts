export { DecisionLoop, type DecisionLoopOptions, type Vote } from "./decision-loop.ts";
export { DecisionStore } from "./decision-store.ts";
export type { LeaderWatch } from "./withheld-watch.ts";
