export { openOrReset } from "./open-or-reset.ts";
export {
  type Authority,
  type Peers,
  type Refill,
  SHARD_LIMITS,
  type ShardLimits,
  type ShardOptions,
} from "./options.ts";
export type { ComparisonState } from "./replica-comparison.ts";
export { decodeComparison, encodeCompare, methodOf, methodPrefixOf } from "./rpc.ts";
export { Shard } from "./shard.ts";
export type { StoreProblem, StoreStatus } from "./store-status.ts";
