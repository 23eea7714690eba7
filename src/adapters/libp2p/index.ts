export type { GossipOptions } from "./gossip-options.ts";
export { Libp2pGossip } from "./libp2p-gossip.ts";
