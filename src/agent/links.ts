/** Which nodes are linked now, and since when the others are not: what placement and status judge by. */

import { type NodeId, nodeOfReplica, type ReplicaId } from "../base/index.ts";
import { type Configuration, hasQuorum } from "../domain/raft/index.ts";
import type { Clock, PeerHello } from "../ports/index.ts";

interface Standing {
  readonly version: string | null;
  /** Null while the link is up. */
  readonly lostAtMs: number | null;
}

export class Links {
  readonly #clock: Clock;
  readonly #startedAtMs: number;
  readonly #nodes = new Map<NodeId, Standing>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedAtMs = clock.monotonicMs();
  }

  up(hello: PeerHello): void {
    this.#nodes.set(hello.node, { version: hello.protocolVersion, lostAtMs: null });
  }

  down(node: NodeId): void {
    const version = this.#nodes.get(node)?.version ?? null;
    this.#nodes.set(node, { version, lostAtMs: this.#clock.monotonicMs() });
  }

  isUp(node: NodeId): boolean {
    return this.#nodes.get(node)?.lostAtMs === null;
  }

  /** 0 while linked; for one never seen, since this agent started. */
  unseenMs(node: NodeId): number {
    const standing = this.#nodes.get(node);
    if (standing === undefined) return this.#clock.monotonicMs() - this.#startedAtMs;
    return standing.lostAtMs === null ? 0 : this.#clock.monotonicMs() - standing.lostAtMs;
  }

  /** How long no quorum of a group was linked with this node at once; 0 while one is. */
  quorumUnseenMs(configuration: Configuration, self: NodeId): number {
    const unseenMs = (replica: ReplicaId): number => {
      const node = nodeOfReplica(replica);
      return node === self ? 0 : this.unseenMs(node);
    };
    const times = [...configuration.voters, ...configuration.outgoing]
      .map(({ replica }) => unseenMs(replica))
      .sort((a, b) => a - b);
    return times.find((ms) => hasQuorum(configuration, (one) => unseenMs(one) <= ms)) ?? 0;
  }

  /** Forgets nodes that are no members any more. One that is linked may be none yet: the list here may be behind. */
  keep(members: ReadonlySet<NodeId>): void {
    for (const [node, { lostAtMs }] of this.#nodes) {
      if (lostAtMs !== null && !members.has(node)) this.#nodes.delete(node);
    }
  }
}
