/** What a gossip adapter is made from. */

import type { NetworkId, NodeId, Random } from "../../base/index.ts";
import type { NodeKey } from "../../domain/identity/index.ts";
import type { Clock, Logger, Metrics } from "../../ports/index.ts";

export interface GossipOptions {
  readonly key: NodeKey;
  readonly networkId: NetworkId;
  /** 32 bytes. libp2p takes one pre-shared key: after a rotation the adapter is closed and made anew. */
  readonly isolationKey: Uint8Array;
  /** An IP address, or a name that has one. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Look for nodes of this network on the LAN, and answer those that look. */
  readonly mdns: boolean;
  /** Whether a node may have a link; asked again for open ones. */
  readonly allows: (node: NodeId) => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** A node keeps at most 16 libp2p links. */
export const GOSSIP_LINK_COUNT_MAX = 16;
/** Links a node opens by itself; the rest of the 16 is for those others open. */
export const GOSSIP_DIALLED_COUNT = 6;
/** How often links are made up to that number and those no longer allowed are cut. */
export const GOSSIP_UPKEEP_INTERVAL_MS = 2_000;
export const GOSSIP_MESSAGE_SIZE_BYTES_MAX = 262_144;
export const GOSSIP_KNOWN_COUNT_MAX = 1_024;
