/** Publish and subscribe between whoever holds the isolation key, and discovery on the local network. */

import type { NodeId } from "../base/index.ts";

export interface GossipHandler {
  /** A message on a topic. True passes it on to others, false drops it and lowers the sender's standing. */
  message(topic: string, from: NodeId, payload: Uint8Array): boolean;
  /** A node of this network was seen on the LAN or dialled in; multiaddrs include its PeerId. */
  peerFound(node: NodeId, multiaddrs: readonly string[]): void;
}

export interface Gossip {
  /** Throws PORT_TAKEN. Resolves with the port in use. */
  start(handler: GossipHandler, topics: readonly string[]): Promise<{ readonly port: number }>;
  /** Peers worth a link, newest knowledge; the adapter keeps at most 16. */
  setPeers(
    peers: readonly { readonly node: NodeId; readonly multiaddrs: readonly string[] }[],
  ): void;
  publish(topic: string, payload: Uint8Array): Promise<void>;
  peerCount(): number;
  close(): Promise<void>;
}
