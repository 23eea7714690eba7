export { initNetwork, type MadeNetwork } from "./init.ts";
export { type JoinedNetwork, joinNetwork } from "./join.ts";
export { isStateHeld } from "./node-state.ts";
export { type RunOptions, runAgent } from "./run.ts";
