/**
 * Who the members are, in memory: read from shard `system` after each change of it (or from another node where this
 * one holds no replica), and asked on every link.
 */

import {
  asLogIndex,
  equalBytes,
  errorCodeOf,
  formatDurationMs,
  messageOf,
  type NodeId,
} from "../../base/index.ts";
import {
  CLOCK_TOLERANCE_MS,
  type Grant,
  type GrantVerdict,
  type Network,
  type NodeRole,
  verifyGrant,
} from "../../domain/identity/index.ts";
import type { Admission, Clock, Logger, PeerAddress, PeerHello } from "../../ports/index.ts";
import { encodeMemberList, type Member, type MemberList } from "./member.ts";

export interface MembershipOptions {
  readonly network: Network;
  readonly self: NodeId;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The list as it is now; null while there is none to read. `MemberStore.readAll`, or a request to a validator. */
  readonly read: () => Promise<MemberList | null>;
}

const EMPTY: MemberList = { members: [], revoked: [], asOf: asLogIndex(0) };

/** A member that the list does not name yet. */
interface Newcomer {
  readonly role: NodeRole;
  readonly addresses: readonly string[];
}

export class Membership {
  readonly #options: MembershipOptions;
  readonly #listeners = new Set<(list: MemberList) => void>();
  /**
   * Members who proved their grant on a link, or stood on an earlier list, while the list does not name them: a
   * replica that is behind must keep its links with them to catch up. Whoever left or was removed is on the list's
   * other part.
   */
  readonly #newcomers = new Map<NodeId, Newcomer>();
  #list = EMPTY;
  /** The list but for its index: what has to differ for a change. */
  #content = contentOf(EMPTY);
  /** Null until it is asked for. */
  #encoded: Uint8Array | null = null;
  #byId: ReadonlyMap<string, Member> = new Map();
  #revoked: ReadonlyMap<string, "left" | "removed"> = new Map();
  #refreshing: Promise<void> | null = null;
  #again = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  list(): MemberList {
    return this.#list;
  }

  /** The list as others are sent it. */
  encodedList(): Uint8Array {
    this.#encoded ??= encodeMemberList(this.#list);
    return this.#encoded;
  }

  members(): readonly Member[] {
    return this.#list.members;
  }

  member(id: NodeId): Member | undefined {
    return this.#byId.get(id);
  }

  /** Whether a node may write, sign SQL tokens and accept requests. */
  isValidator(id: NodeId): boolean {
    const standing = this.#byId.get(id) ?? this.#newcomers.get(id);
    return standing?.role === "validator";
  }

  /** Whether a node left or was removed and is no member again. */
  isRevoked(id: NodeId): boolean {
    return this.#revoked.has(id) && !this.#byId.has(id);
  }

  /** Everybody to keep links with, this node left out. */
  peers(): readonly PeerAddress[] {
    const named = this.#list.members.map(({ id, addresses }) => ({ node: id, addresses }));
    const others = [...this.#newcomers].map(([node, { addresses }]) => ({ node, addresses }));
    return [...named, ...others].filter(({ node }) => node !== this.#options.self);
  }

  /** Called with each list that differs from the one before. Returns how to stop that. */
  onChange(listener: (list: MemberList) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Takes a list from the own replica, the cache or a validator, unless it is known to be older: a replica that is behind
   * after a power cut must not bring back addresses that others have left, or members who left.
   */
  replace(list: MemberList): void {
    const { asOf } = this.#list;
    if (list.asOf !== 0 && list.asOf < asOf) return;
    const content = contentOf(list);
    const isSame = equalBytes(content, this.#content);
    if (isSame && list.asOf <= asOf) return;
    this.#encoded = null;
    if (isSame) this.#list = list;
    else this.#take(list, content);
  }

  #take(list: MemberList, content: Uint8Array): void {
    for (const { id, role, addresses } of this.#list.members) {
      this.#newcomers.set(id, { role, addresses });
    }
    this.#list = list;
    this.#content = content;
    this.#byId = new Map(list.members.map((member) => [member.id, member]));
    this.#revoked = new Map(list.revoked.map((one) => [one.id, one.reason]));
    for (const id of this.#newcomers.keys()) {
      if (this.#byId.has(id) || this.#revoked.has(id)) this.#newcomers.delete(id);
    }
    for (const listener of this.#listeners) listener(list);
  }

  /** Reads the list again. Calls that come while one reads are answered by one more reading. */
  refresh(): Promise<void> {
    this.#again = true;
    this.#refreshing ??= this.#readUntilCurrent().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  /**
   * Judges a peer whose key and isolation proof hold: clock, grant, revocation. One that is not on the list but
   * whose grant holds has joined and this node has not heard of it yet; whoever left or was removed is known.
   */
  admit(hello: PeerHello): Admission {
    const offMs = Math.abs(hello.wallMs - this.#options.clock.wallMs());
    if (offMs > CLOCK_TOLERANCE_MS) {
      return refused(
        "CLOCK_OFF",
        `the two clocks are ${formatDurationMs(offMs)} apart, needed at most ` +
          `${formatDurationMs(CLOCK_TOLERANCE_MS)}; set the clock (NTP)`,
      );
    }
    const revoked = this.#revoked.get(hello.node);
    if (revoked !== undefined && !this.#byId.has(hello.node)) {
      const todo = revoked === "left" ? "join again with a new token" : "it cannot come back";
      return refused(
        "NOT_A_MEMBER",
        `the node ${revoked === "left" ? "left" : "was removed"}; ${todo}`,
      );
    }
    return this.#judgeGrant(hello);
  }

  #judgeGrant(hello: PeerHello): Admission {
    const verdict = this.#verifyGrant(hello.grant);
    if (!verdict.ok) return refused(verdict.code, `its grant does not hold: ${verdict.reason}`);
    const { grant } = verdict;
    if (grant.member !== hello.node)
      return refused("NOT_A_MEMBER", "it shows another node's grant");
    if (!this.#byId.has(hello.node)) this.#noteNewcomer(grant, hello.addresses);
    return { ok: true };
  }

  #verifyGrant(encoded: Uint8Array): GrantVerdict {
    try {
      return verifyGrant(encoded, this.#options.network, this.#options.clock.wallMs());
    } catch (error) {
      if (errorCodeOf(error) !== "MALFORMED") throw error;
      return { ok: false, code: "MALFORMED", reason: messageOf(error) };
    }
  }

  #noteNewcomer(grant: Grant, addresses: readonly string[]): void {
    if (this.#newcomers.size >= NEWCOMERS_MAX) this.#newcomers.clear();
    this.#newcomers.set(grant.member, { role: grant.role, addresses });
    this.#options.logger.info("a peer with a valid grant is not on the member list yet", {
      peer: grant.member,
    });
  }

  async #readUntilCurrent(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      const list = await this.#options.read();
      if (list !== null) this.replace(list);
    }
  }
}

function contentOf(list: MemberList): Uint8Array {
  return encodeMemberList({ ...list, asOf: EMPTY.asOf });
}

/** Only as many as may join between two refreshes. */
const NEWCOMERS_MAX = 1_000;

function refused(code: string, reason: string): Admission {
  return { ok: false, code, message: `Cannot link: ${reason}` };
}
