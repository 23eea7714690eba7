/** What a follower does with its leader's messages (Raft thesis 3.5, 5). All are of the current term. */

import type { LogIndex, ReplicaId, Term } from "../../base/index.ts";
import { replicasOf } from "./configuration.ts";
import { campaign, hasDisowned } from "./election.ts";
import type {
  Append,
  AppendResponse,
  Heartbeat,
  Message,
  SnapshotOffer,
  TimeoutNow,
} from "./message.ts";
import type { RaftCore } from "./raft-core.ts";

/** The sender is the leader of the term. */
export function acceptLeader(core: RaftCore, message: Message): void {
  if (core.role === "leader") core.refuse(message, "this replica leads that term");
  if (core.role !== "follower") core.becomeFollower(core.term, message.from);
  if (core.leader !== null && core.leader !== message.from) {
    core.refuse(message, `${core.leader} leads that term`);
  }
  core.leader = message.from;
  if (!hasDisowned(core)) core.electionElapsed = 0;
}

export function handleAppend(core: RaftCore, append: Append): void {
  if (append.prevIndex < core.commitIndex) {
    // Sent before the leader knew how far this log is: what is committed here agrees with every leader's.
    acknowledge(core, core.commitIndex);
    return;
  }
  if (core.log.termOf(append.prevIndex) !== append.prevTerm) {
    refuseAppend(core, append);
    return;
  }
  const last = (append.prevIndex + append.entries.length) as LogIndex;
  const fresh = append.entries.findIndex((entry) => core.log.termOf(entry.index) !== entry.term);
  if (fresh >= 0) {
    core.appendToLog(fresh === 0 ? append.entries : append.entries.slice(fresh));
  }
  core.commitTo(Math.min(append.commit, last) as LogIndex);
  acknowledge(core, last);
}

export function handleHeartbeat(core: RaftCore, heartbeat: Heartbeat): void {
  if (heartbeat.commit <= core.log.lastIndex) {
    core.commitTo(heartbeat.commit);
  } else {
    // It was acknowledged and is gone. A leader with nothing to send would never find out.
    refuse(core, heartbeat.from, heartbeat.commit, core.log.lastIndex, true);
  }
  if (!heartbeat.wantsReply) return;
  core.emit({
    kind: "heartbeatResponse",
    from: core.id,
    to: heartbeat.from,
    term: core.term,
    round: heartbeat.round,
  });
}

export function handleSnapshotOffer(core: RaftCore, offer: SnapshotOffer): void {
  const { index, term } = offer.snapshot;
  if (core.installing !== null) return;
  if (index <= core.commitIndex) {
    acknowledge(core, core.commitIndex);
  } else if (core.log.termOf(index) === term) {
    // The log has it already: committing is enough, and nothing acknowledged is thrown away.
    core.commitTo(index);
    acknowledge(core, index);
  } else {
    // A log that was damaged may be behind its state machine, which must not go back.
    const atLeast = Math.max(index, core.handedIndex) as LogIndex;
    core.installing = { source: offer.from, atLeast, offered: offer.snapshot };
    core.installRequested = true;
  }
}

/**
 * A state machine behind the log's cut gets its state from the leader, or without one from any other replica: what
 * others have applied is committed for good, and this replica may be needed to elect a leader.
 */
export function askForState(core: RaftCore): void {
  if (!core.needsState || core.installing !== null || core.stateWaitTicks > 0) return;
  const others = [...replicasOf(core.configuration)].filter((replica) => replica !== core.id);
  const source = core.leader ?? others[0];
  if (source === undefined) return;
  core.installing = { source, atLeast: core.log.snapshot.index, offered: null };
  core.installRequested = true;
}

/** The leader hands over: stand at once, without a pre-vote (Raft thesis 3.10). */
export function handleTimeoutNow(core: RaftCore, message: TimeoutNow): void {
  if (core.role === "leader") core.refuse(message, "this replica leads that term");
  if (core.leader !== null && core.leader !== message.from) {
    core.refuse(message, `${core.leader} leads that term`);
  }
  if (core.isEligible) campaign(core, true);
}

export function acknowledge(core: RaftCore, index: LogIndex): void {
  if (core.leader === null || core.leader === core.id) return;
  const response: AppendResponse = {
    kind: "appendResponse",
    from: core.id,
    to: core.leader,
    term: core.term,
    index,
    rejected: false,
    hintIndex: 0 as LogIndex,
    hintTerm: 0 as Term,
    damaged: false,
  };
  core.emitDurable(response);
}

/** Tells where the logs may still agree, so that the leader finds the place in a few rounds. */
function refuseAppend(core: RaftCore, { from, prevIndex, prevTerm }: Append): void {
  const hintIndex = core.log.lastIndexWithin(prevIndex, prevTerm);
  refuse(core, from, prevIndex, hintIndex, core.damagedUpTo !== null);
}

function refuse(
  core: RaftCore,
  to: ReplicaId,
  index: LogIndex,
  hintIndex: LogIndex,
  damaged: boolean,
): void {
  core.emit({
    kind: "appendResponse",
    from: core.id,
    to,
    term: core.term,
    index,
    rejected: true,
    hintIndex,
    hintTerm: core.log.termOf(hintIndex) ?? (0 as Term),
    damaged,
  });
}
