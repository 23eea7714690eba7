/** What discovery needs of the rest of the node: the agent supplies it. */

import type { LogIndex, NodeId, Term } from "../../base/index.ts";
import type { Capabilities, NodeRecord } from "../../domain/spore/index.ts";

/** What the own record says, as it is now; discovery adds number, time and activity. */
export type SelfDescription = Pick<
  NodeRecord,
  | "class"
  | "role"
  | "addresses"
  | "apiAddresses"
  | "multiaddrs"
  | "softwareVersion"
  | "protocolVersion"
  | "minProtocolVersion"
  | "features"
> & { readonly capabilities: Capabilities };

export interface KnownPeer {
  readonly node: NodeId;
  /** "host:port" for links. */
  readonly addresses: readonly string[];
  readonly multiaddrs: readonly string[];
}

/** The member list, as far as discovery asks. */
export interface MemberView {
  /** All members known, this node left out or not. */
  known(): readonly KnownPeer[];
  /** Left, removed or excluded. */
  isRevoked(node: NodeId): boolean;
  /** Whether its grant says validator. */
  mayVote(node: NodeId): boolean;
}

/** The primary's Raft group as this node's replica sees it. */
export interface PrimaryState {
  readonly term: Term;
  readonly leader: NodeId | null;
  /** Leads, with a quorum behind it. */
  readonly leads: boolean;
  readonly commitIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** In force, encoded by `domain/raft`. */
  readonly configuration: Uint8Array;
}

export interface LinkView {
  /** Nodes linked now. */
  linked(): readonly NodeId[];
  /** One round trip over a link. Rejects as `Transport.request` does. */
  request(to: NodeId, method: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
}

/** Where spores are kept between starts: a file of the state directory. */
export interface SporeCache {
  /** Null when there is nothing. */
  read(): Promise<Uint8Array | null>;
  write(content: Uint8Array): Promise<void>;
}
