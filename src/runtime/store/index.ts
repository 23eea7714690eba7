export { openOrReset } from "./open-or-reset.ts";
export {
  type Authority,
  type Peers,
  type Refill,
  SHARD_LIMITS,
  type ShardLimits,
  type ShardOptions,
} from "./options.ts";
export { methodPrefixOf } from "./rpc.ts";
export { Shard } from "./shard.ts";
export type { StoreProblem, StoreStatus } from "./store-status.ts";
