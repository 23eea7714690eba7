/**
 * The leader's care for who holds replicas: after each change of members, links or leadership it leads every group
 * it leads to the configuration that the members ask for, one change at a time, and takes those who left off the
 * list once they are out of every group.
 */

import {
  errorCodeOf,
  type GroupId,
  messageOf,
  type NodeId,
  nodeOfReplica,
  type ReplicaId,
} from "../base/index.ts";
import { type Configuration, equalConfigurations, isJoint } from "../domain/raft/index.ts";
import type { Clock, Logger, Timer } from "../ports/index.ts";
import type { Consensus, GroupStatus } from "../runtime/consensus/index.ts";
import {
  decideReplicas,
  type Member,
  type MemberStore,
  type Membership,
} from "../runtime/membership/index.ts";
import { bringUp, type ExitParts, groupStillWith } from "./group-exit.ts";
import { GROUPS, MAIN, SYSTEM } from "./groups.ts";

/** While something is to be done: how often to look whether it can be. */
const BUSY_INTERVAL_MS = 50;
const IDLE_INTERVAL_MS = 2_000;
const CHANGE_TIMEOUT_MS = 10_000;
/** A learner this close to the leader's log has caught up. */
const CAUGHT_UP_LAG = 64;

export interface PlacementOptions extends ExitParts {
  readonly self: NodeId;
  readonly consensus: ExitParts["consensus"] & Pick<Consensus, "changeMembers">;
  readonly membership: Pick<Membership, "member" | "members" | "refresh">;
  readonly store: Pick<MemberStore, "remove">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Since a node was last linked, in ms; 0 while it is. */
  readonly unseenMs: (node: NodeId) => number;
}

export class Placement {
  readonly #options: PlacementOptions;
  readonly #changing = new Set<GroupId>();
  #timer: Timer | null = null;
  /** Those that leave and are out of every group but `system`. */
  readonly #freed = new Set<NodeId>();
  #isLettingGo = false;
  #stopped = false;

  constructor(options: PlacementOptions) {
    this.#options = options;
  }

  /** Looks now, and from then on by itself. */
  wake(): void {
    if (this.#stopped) return;
    this.#timer?.cancel();
    const busy = GROUPS.map((group) => this.#settle(group)).includes(true);
    const delayMs = busy ? BUSY_INTERVAL_MS : IDLE_INTERVAL_MS;
    this.#timer = this.#options.clock.after(delayMs, () => this.wake());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** True while the group is not as it should be. */
  #settle(group: GroupId): boolean {
    const { consensus, logger } = this.#options;
    const status = consensus.groupStatus(group);
    const current = consensus.configuration(group);
    if (status === null || current === null || !status.isReady) return false;
    if (this.#changing.has(group) || status.isChanging || isJoint(current)) return true;
    this.#letGo();
    if (equalConfigurations(current, this.#target(group, status, current))) {
      const members = this.#seenBy(group);
      return this.#leaver() !== undefined || members.some((member) => waits(status, member));
    }
    this.#changing.add(group);
    this.#change(group)
      .finally(() => this.#changing.delete(group))
      .then(
        () => this.wake(),
        (error) => {
          if (errorCodeOf(error) === undefined) throw error;
          logger.warn("raft members not changed, will retry", { group, reason: messageOf(error) });
        },
      );
    return true;
  }

  /**
   * Nobody is let in by an old list: one who is no member any more would be given a vote, with its links cut. Whoever is
   * on a list as new as this strong read, and in the group, leaves the group before he leaves the list.
   */
  async #change(group: GroupId): Promise<void> {
    const { consensus, membership } = this.#options;
    await bringUp(this.#options, SYSTEM);
    await membership.refresh();
    const status = consensus.groupStatus(group);
    const current = consensus.configuration(group);
    if (status?.isReady !== true || current === null) return;
    if (status.isChanging || isJoint(current)) return;
    const target = this.#target(group, status, current);
    if (equalConfigurations(current, target)) return;
    await consensus.changeMembers(group, target, CHANGE_TIMEOUT_MS);
  }

  #target(group: GroupId, status: GroupStatus, current: Configuration): Configuration {
    const { membership, unseenMs } = this.#options;
    // Who leaves gains no vote: he may be off the list before it counts.
    const stays = (replica: ReplicaId) =>
      membership.member(nodeOfReplica(replica))?.state === "active";
    return decideReplicas({
      members: this.#seenBy(group),
      current,
      forMiners: group === MAIN,
      unseenMs,
      isCaughtUp: (replica) => stays(replica) && isCaughtUp(status, replica),
    });
  }

  /**
   * Who leaves stays in `system` until it is out of all other groups: there it is told that it leaves. One that leads
   * another group, and was not told, would lead it for ever. The leader of `system` knows.
   */
  #seenBy(group: GroupId): readonly Member[] {
    const { membership, self } = this.#options;
    const members = membership.members();
    if (group !== SYSTEM) return members;
    return members.map((member) => {
      const { id, state } = member;
      const mustStay = state === "leaving" && id !== self && !this.#freed.has(id);
      return mustStay ? { ...member, state: "active" } : member;
    });
  }

  /** Somebody else who leaves. */
  #leaver(): Member | undefined {
    const { membership, self } = this.#options;
    return membership.members().find(({ id, state }) => state === "leaving" && id !== self);
  }

  /** Whoever is leaving and out of every group is no member any more. */
  #letGo(): void {
    const { logger } = this.#options;
    const leaver = this.#leaver();
    if (leaver === undefined || this.#isLettingGo) return;
    this.#isLettingGo = true;
    this.#advanceLeaver(leaver.id)
      .catch((error) => {
        if (errorCodeOf(error) === undefined) throw error;
        logger.warn("leaving node not removed, will retry", { reason: messageOf(error) });
      })
      .finally(() => {
        this.#isLettingGo = false;
      });
  }

  async #advanceLeaver(node: NodeId): Promise<void> {
    const { clock, logger, store } = this.#options;
    const others = GROUPS.filter((group) => group !== SYSTEM);
    if ((await groupStillWith(this.#options, node, others)) !== null) return;
    this.#freed.add(node);
    if ((await groupStillWith(this.#options, node)) !== null) return;
    await store.remove(node, "left", clock.wallMs());
    this.#freed.delete(node);
    logger.info("a node left", { node });
  }
}

function isCaughtUp(status: GroupStatus, replica: ReplicaId): boolean {
  const peer = status.peers.find((one) => one.replica === replica);
  return peer?.state === "replicate" && peer.isActive && peer.lag <= CAUGHT_UP_LAG;
}

/** A validator that learns and is linked will vote soon: look often until it does. */
function waits(status: GroupStatus, member: Member): boolean {
  if (member.role !== "validator" || member.state !== "active") return false;
  const replica = status.members.find((one) => one.node === member.id);
  const peer = status.peers.find((one) => one.node === member.id);
  return replica?.weight === 0 && peer?.isActive === true && !isCaughtUp(status, peer.replica);
}
