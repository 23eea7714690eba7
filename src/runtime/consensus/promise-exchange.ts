/** Tells peers what their earlier processes promised here, and hears what this node's did there. See `promises.ts`. */

import { type GroupId, MyceliumError, type NodeId, type ReplicaId } from "../../base/index.ts";
import { hasQuorum, type Message } from "../../domain/raft/index.ts";
import { isRefusal } from "./frame.ts";
import type { HostedGroup } from "./hosted-group.ts";
import type { ConsensusOptions } from "./options.ts";
import {
  decodePromises,
  encodePromises,
  isForgotten,
  PromiseBook,
  type ReplicaPromise,
} from "./promises.ts";

/** Of the same priority as Raft's, and sent before any of its messages on a link. */
export const PROMISES_CHANNEL = "raft-promises";

export class PromiseExchange {
  readonly #options: ConsensusOptions;
  readonly #groups: ReadonlyMap<GroupId, HostedGroup>;
  readonly #onForgotten: (error: MyceliumError) => void;
  readonly #book = new PromiseBook();

  constructor(
    options: ConsensusOptions,
    groups: ReadonlyMap<GroupId, HostedGroup>,
    onForgotten: (error: MyceliumError) => void,
  ) {
    this.#options = options;
    this.#groups = groups;
    this.#onForgotten = onForgotten;
  }

  /** A link is up, with the process `instance` of a node. Call it before anything else is sent there. */
  linkUp(node: NodeId, instance: string): void {
    const promises = this.#book
      .linked(node, instance)
      .filter(({ group, replica }) => this.#canDoWithout(group, replica));
    if (promises.length === 0) return;
    this.#options.transport.send(node, PROMISES_CHANNEL, encodePromises(promises), 0);
  }

  /** A message of Raft arrived. */
  note(from: NodeId, group: GroupId, message: Message): void {
    this.#book.note(from, group, message);
  }

  /** A frame of `PROMISES_CHANNEL` from a member. What is malformed, or of one who may not vote, is dropped. */
  receive(from: NodeId, frame: Uint8Array): void {
    if (this.#options.mayVote?.(from) === false) return;
    const forgotten = this.#decode(frame).find((promise) => this.#isForgotten(promise));
    if (forgotten !== undefined) this.#onForgotten(forgottenError(from, forgotten));
  }

  #isForgotten(promise: ReplicaPromise): boolean {
    const found = this.#groups.get(promise.group)?.found;
    return found !== undefined && isForgotten(promise, found);
  }

  #decode(frame: Uint8Array): readonly ReplicaPromise[] {
    try {
      return decodePromises(frame);
    } catch (error) {
      if (!(error instanceof MyceliumError) || !isRefusal(error)) throw error;
      this.#options.metrics.count("mycelium_raft_refused_total", 1, { code: error.code });
      return [];
    }
  }

  /**
   * One of two voters must go on as it is: the network could not let it begin anew, and nothing was decided without
   * this node, which forgot nothing.
   */
  #canDoWithout(group: GroupId, replica: ReplicaId): boolean {
    const configuration = this.#groups.get(group)?.node.configuration;
    return configuration !== undefined && hasQuorum(configuration, (other) => other !== replica);
  }
}

function forgottenError(peer: NodeId, promise: ReplicaPromise): MyceliumError {
  const { group, index, term } = promise;
  return new MyceliumError(
    "STATE_CORRUPT",
    `Cannot go on as this replica of ${group}: ${peer} has its promise of term ${term} and log index ${index}, of ` +
      "which this state directory knows nothing; it was put back from an older copy. It begins anew as an empty " +
      "replica; nothing is to be done",
  );
}
