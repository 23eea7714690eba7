/**
 * Leads a group's configuration to a target in single steps: newcomers learn first and are promoted when they have
 * caught up (Raft thesis 4.2.1), then voters change, then weights, one voter at a time.
 */

import { MyceliumError } from "../../base/index.ts";
import {
  type Configuration,
  describeConfiguration,
  encodeConfiguration,
  equalConfigurations,
  isVoter,
  makeConfiguration,
  type RaftNode,
  stepTowards,
} from "../../domain/raft/index.ts";

interface Change {
  readonly target: Configuration;
  readonly deadlineMs: number;
  readonly resolve: () => void;
  readonly reject: (error: MyceliumError) => void;
}

export class MemberChange {
  readonly #promoteLagEntries: number;
  #change: Change | null = null;
  #waitsFor = "";

  constructor(promoteLagEntries: number) {
    this.#promoteLagEntries = promoteLagEntries;
  }

  /**
   * Resolves when `wanted` is committed. Rejects with OVERLOADED while another change is under way, with BAD_ARGUMENT
   * before anything was changed.
   */
  async begin(wanted: Configuration, deadlineMs: number): Promise<void> {
    const target = makeConfiguration({ voters: wanted.voters, learners: wanted.learners });
    encodeConfiguration(target);
    if (this.#change !== null) {
      throw new MyceliumError(
        "OVERLOADED",
        "Cannot change the members: another change is under way; retry when it is done",
      );
    }
    return new Promise((resolve, reject) => {
      this.#change = { target, deadlineMs, resolve, reject };
    });
  }

  get isActive(): boolean {
    return this.#change !== null;
  }

  /** Does what can be done now. */
  advance(node: RaftNode, nowMs: number): void {
    const change = this.#change;
    if (change === null) return;
    if (this.#isDone(node, change.target)) {
      // Also on a leader that has just removed itself.
      this.#change = null;
      change.resolve();
    } else if (node.role !== "leader") {
      this.abandon(
        new MyceliumError("NOT_LEADER", "Cannot change the members: this node does not lead"),
      );
    } else if (nowMs >= change.deadlineMs) {
      this.abandon(
        new MyceliumError("TIMEOUT", `Cannot change the members in time: ${this.#waitsFor}`),
      );
    } else {
      this.#step(node, change);
    }
  }

  abandon(error: MyceliumError): void {
    const change = this.#change;
    this.#change = null;
    change?.reject(error);
  }

  #isDone(node: RaftNode, target: Configuration): boolean {
    const isCommitted = node.configurationIndex <= node.commitIndex;
    return isCommitted && equalConfigurations(node.configuration, target);
  }

  #step(node: RaftNode, change: Change): void {
    const step = stepTowards(node.configuration, change.target);
    if (step === null) {
      this.#waitsFor = `${describeConfiguration(node.configuration)} has no quorum yet`;
      return;
    }
    const laggard = this.#laggard(node, step);
    if (laggard !== null) {
      this.#waitsFor = `${laggard} has not caught up; check that it runs and is reachable`;
      return;
    }
    try {
      const refusal = node.proposeConfiguration(step);
      this.#waitsFor = `${describeConfiguration(step)} is not committed (${refusal ?? "proposed"})`;
    } catch (error) {
      if (!(error instanceof MyceliumError)) throw error;
      this.abandon(error);
    }
  }

  /** A learner that would become a voter and is too far behind: it would hold up the quorum. */
  #laggard(node: RaftNode, step: Configuration): string | null {
    const peers = new Map(node.status().peers.map((peer) => [peer.replica, peer]));
    for (const { replica } of step.voters) {
      if (isVoter(node.configuration, replica)) continue;
      const peer = peers.get(replica);
      if (peer === undefined || !peer.isActive || peer.matchIndex === 0) return replica;
      if (peer.matchIndex + this.#promoteLagEntries < node.lastIndex) return replica;
    }
    return null;
  }
}
