export {
  Discovery,
  type DiscoveryOptions,
  type SporeStatus,
} from "./discovery.ts";
export type {
  KnownPeer,
  LinkView,
  MemberView,
  PrimaryState,
  SelfDescription,
  SporeCache,
} from "./parts.ts";
export type { SeedStatus } from "./seed-keeper.ts";
