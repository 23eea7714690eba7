/**
 * `GET /v1/status`: one truthful picture of a node. Scripts read it (`mycelium status --json` prints it as it is), so
 * fields are added, never renamed or removed; index.ts says how.
 */

import { asNetworkId, type NetworkId } from "../../base/index.ts";
import {
  finite,
  flag,
  integer,
  list,
  mapped,
  nullable,
  object,
  oneOf,
  optional,
  type Shape,
  type TypeOf,
  text,
} from "../wire/index.ts";
import { nodeIdShape } from "./node-id.ts";
import { updateStatusShape } from "./update.ts";

const NODES_MAX = 10_000;
const GROUPS_MAX = 1_000;
const REPLICAS_MAX = 1_000;
const PROBLEMS_MAX = 100;
const ADDRESSES_MAX = 32;

const line = text(1_000);
const networkIdShape: Shape<NetworkId> = mapped(text(64), asNetworkId);

export const nodeClassShape = oneOf("sclerotium", "rhizomorph", "hypha");
/** Null for a hypha. */
const nodeRoleShape = nullable(oneOf("validator", "miner"));
const tierShape = oneOf(0, 1, 2);

/** How far it is in boot and handoff; `stopping` after SIGTERM or `POST /v1/stop`. */
const nodeStateShape = oneOf(
  "bootstrap",
  "discovery",
  "registration",
  "handoff",
  "monitoring",
  "fallback",
  "stopping",
);

const selfShape = object({
  id: nodeIdShape,
  class: nodeClassShape,
  role: nodeRoleShape,
  tier: tierShape,
  /** In the levelled configuration of `main`; 0 when it does not vote. */
  voteWeight: integer(),
  version: text(64),
  uptimeMs: integer(),
  state: nodeStateShape,
});

/** What this node listens on, "host:port"; `sqlUrl` is what a libSQL client on this machine is given. */
const listenShape = object({
  sqlUrl: line,
  http: line,
  peer: line,
  gossip: nullable(line),
});

/** Another member. `match` figures are only in the groups: a peer is a node, not a replica. */
const peerShape = object({
  id: nodeIdShape,
  class: nodeClassShape,
  role: nodeRoleShape,
  tier: tierShape,
  voteWeight: integer(),
  link: oneOf("connecting", "up", "down"),
  addresses: list(line, ADDRESSES_MAX),
  version: nullable(text(64)),
  roundTripMs: nullable(finite),
  /** Since the link went down; null while it is up or when it never was. */
  unseenMs: nullable(integer()),
  lastError: nullable(line),
});

const replicaShape = object({
  node: nodeIdShape,
  /** After levelling; 0 for a learner. */
  weight: integer(),
  voter: flag,
  /** Highest entry known to be on it, and how far that is behind; null where this node cannot know (no leader). */
  match: nullable(integer()),
  lag: nullable(integer()),
});

const groupShape = object({
  id: text(64),
  /** This node's part in it. */
  role: oneOf("leader", "follower", "candidate", "learner"),
  leader: nullable(nodeIdShape),
  term: integer(),
  commit: integer(),
  applied: integer(),
  last: integer(),
  replicas: list(replicaShape, REPLICAS_MAX),
});

const raftShape = object({
  /** Of the group `main`; null while there is none. */
  leader: nullable(nodeIdShape),
  term: integer(),
  groups: list(groupShape, GROUPS_MAX),
});

const shardShape = object({
  name: text(64),
  applied: integer(),
  /** Entries known to be committed and not yet applied here. */
  lag: integer(),
  sizeBytes: integer(),
  /** Why writes are refused; null while they are taken. */
  readOnly: nullable(line),
});

const storeShape = object({
  /** Of the shard `main`. */
  applied: integer(),
  lag: integer(),
  shards: list(shardShape, GROUPS_MAX),
  stateDirectory: text(4_096),
  diskFreeBytes: nullable(integer()),
});

const sporesShape = object({
  /** The best source this node stands on now. */
  authority: oneOf("primary", "seed", "latent", "cached", "none"),
  /** Signed node records held from gossip. */
  latent: integer(),
  /** Nodes in the cached spores on disk. */
  cached: integer(),
  /** Links in the gossip mesh. */
  gossipPeers: integer(),
  seeds: list(
    object({
      name: text(2_048),
      writable: flag,
      /** Age of the last good read or write; null when there was none. */
      ageMs: nullable(integer()),
      problem: nullable(line),
    }),
    ADDRESSES_MAX,
  ),
});

/** Something that is not as it should be: what, why, what to do. A `notice` leaves the node healthy. */
export const problemShape = object({
  severity: oneOf("notice", "fault"),
  what: line,
  why: line,
  todo: line,
});

export const statusShape = object({
  node: selfShape,
  network: object({ id: networkIdShape, name: text(256) }),
  listen: listenShape,
  raft: raftShape,
  store: storeShape,
  peers: list(peerShape, NODES_MAX),
  spores: sporesShape,
  memoryBytes: integer(),
  /** Absent in agents from before there were updates. */
  update: optional(updateStatusShape),
  /** True exactly when no problem is a `fault`. */
  healthy: flag,
  problems: list(problemShape, PROBLEMS_MAX),
});

export type Status = TypeOf<typeof statusShape>;
export type Problem = TypeOf<typeof problemShape>;
export type PeerStatus = Status["peers"][number];
export type GroupStatus = Status["raft"]["groups"][number];
export type NodeState = Status["node"]["state"];
