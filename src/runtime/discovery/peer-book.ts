/**
 * Which nodes to keep links and gossip with, under which addresses. For each node all sources count, in the order of
 * discovery: what its own newest record says, the member list, what the LAN shows.
 */

import type { NodeId } from "../../base/index.ts";
import type { LatentMap } from "../../domain/spore/index.ts";
import type { PeerAddress } from "../../ports/index.ts";
import type { KnownPeer, MemberView } from "./parts.ts";

/** Nodes found on the LAN that no record tells of yet. */
const FOUND_COUNT_MAX = 64;
const ADDRESSES_MAX = 16;

export interface GossipPeer {
  readonly node: NodeId;
  readonly multiaddrs: readonly string[];
}

export class PeerBook {
  readonly #self: NodeId;
  readonly #countMax: number;
  readonly #found = new Map<NodeId, readonly string[]>();

  constructor(self: NodeId, countMax: number) {
    this.#self = self;
    this.#countMax = countMax;
  }

  /** A node seen on the LAN; true when that is news. */
  found(node: NodeId, multiaddrs: readonly string[]): boolean {
    if (node === this.#self || this.#found.has(node)) return false;
    const [oldest] = this.#found.keys();
    if (this.#found.size >= FOUND_COUNT_MAX && oldest !== undefined) this.#found.delete(oldest);
    this.#found.set(node, multiaddrs.slice(0, ADDRESSES_MAX));
    return true;
  }

  /** Members first, then nodes that only records tell of; at most the number of peers allowed. */
  linkPeers(latent: LatentMap, members: MemberView): readonly PeerAddress[] {
    return this.#known(latent, members)
      .filter(({ addresses }) => addresses.length > 0)
      .slice(0, this.#countMax)
      .map(({ node, addresses }) => ({ node, addresses }));
  }

  gossipPeers(latent: LatentMap, members: MemberView): readonly GossipPeer[] {
    const known = this.#known(latent, members);
    const named = new Set(known.map(({ node }) => node));
    const found = [...this.#found]
      .filter(([node]) => !named.has(node) && !members.isRevoked(node))
      .map(([node, multiaddrs]) => ({ node, multiaddrs }));
    const listed = known.map(({ node, multiaddrs }) => {
      return { node, multiaddrs: union(multiaddrs, this.#found.get(node) ?? []) };
    });
    return [...listed, ...found]
      .filter(({ multiaddrs }) => multiaddrs.length > 0)
      .slice(0, this.#countMax);
  }

  #known(latent: LatentMap, members: MemberView): readonly KnownPeer[] {
    const listed = members.known().map((member) => withRecord(member, latent));
    const named = new Set(listed.map(({ node }) => node));
    const hearsay = latent
      .entries()
      .map(({ signed }) => signed.record)
      .filter(({ node }) => !named.has(node));
    return [...listed, ...hearsay].filter(
      ({ node }) => node !== this.#self && !members.isRevoked(node),
    );
  }
}

function withRecord(member: KnownPeer, latent: LatentMap): KnownPeer {
  const record = latent.get(member.node)?.signed.record;
  if (record === undefined) return member;
  return {
    node: member.node,
    addresses: union(record.addresses, member.addresses),
    multiaddrs: union(record.multiaddrs, member.multiaddrs),
  };
}

function union(first: readonly string[], second: readonly string[]): readonly string[] {
  return [...new Set([...first, ...second])].slice(0, ADDRESSES_MAX);
}
