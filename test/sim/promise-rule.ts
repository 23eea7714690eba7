/**
 * A machine that was put back from an older copy takes no part as the replica that it was, once the leader that counts on
 * what it acknowledged has told it. Judged when it is told, because what it forgot is rarely missed: that takes the loss
 * of the others at the right moment.
 */

import type { GroupId, LogIndex, NodeId, ReplicaId } from "../../src/base/index.ts";
import type { Machine } from "./machine.ts";
import type { SimProcess } from "./process.ts";

/** What the leader knew that a machine had acknowledged when it was put back. */
interface Owed {
  readonly leader: Machine;
  readonly process: SimProcess;
  readonly replica: ReplicaId;
  readonly lastIndex: LogIndex;
}

export class PromiseRule {
  readonly #group: GroupId;
  readonly #violated: (what: string) => void;
  readonly #owed = new Map<Machine, Owed>();

  constructor(group: GroupId, violated: (what: string) => void) {
    this.#group = group;
    this.#violated = violated;
  }

  /** Before a machine is stopped to be put back from a copy. */
  putBack(machine: Machine, leader: Machine | null): void {
    this.#owed.delete(machine);
    const process = leader?.process ?? null;
    const replica = machine.process?.replica(this.#group)?.id;
    const peers = process?.replica(this.#group)?.status().peers ?? [];
    const known = peers.find((peer) => peer.replica === replica);
    if (leader === null || process === null || known === undefined) return;
    const { matchIndex: lastIndex } = known;
    this.#owed.set(machine, { leader, process, replica: known.replica, lastIndex });
  }

  /** `from` tells a machine what it promised: `receive` takes it. */
  told(machine: Machine, from: NodeId, receive: () => void): void {
    const owed = this.#owed.get(machine);
    const { process } = machine;
    const replica = process?.replica(this.#group) ?? null;
    const isOwed =
      owed?.leader.node === from && owed.leader.process === owed.process && replica !== null;
    const hasForgotten =
      isOwed && replica.id === owed.replica && replica.lastIndex < owed.lastIndex;
    receive();
    if (isOwed) this.#owed.delete(machine);
    if (!hasForgotten || machine.process !== process) return;
    this.#violated(
      `promises: ${machine.name} acknowledged up to ${owed.lastIndex}, has ${replica.lastIndex}, is told, and goes on`,
    );
  }
}
