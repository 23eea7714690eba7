/** What the passing of time does to a replica, and when it will do something next. */

import { campaign, campaignPreVote, hasDisowned } from "./election.ts";
import { tickLeader } from "./leading.ts";
import type { RaftCore } from "./raft-core.ts";

/** One tick of the host's clock has passed. */
export function tickReplica(core: RaftCore): void {
  if (core.role === "leader") {
    tickLeader(core);
    return;
  }
  if (core.stateWaitTicks > 0) core.stateWaitTicks--;
  if (core.disowned !== null && core.disowned.shunTicks > 0) core.disowned.shunTicks--;
  core.electionElapsed++;
  if (core.electionElapsed < core.electionTimeout) return;
  // A disk that is slower than the timeout must not keep a candidate from ever winning.
  if (core.awaitsOwnVote) core.restartElectionTimer();
  else if (core.isEligible) {
    // A leader that is still heard would end each pre-vote with its next message.
    if (hasDisowned(core)) campaign(core, false);
    else campaignPreVote(core);
  } else {
    core.restartElectionTimer();
    // It has not been heard for long; asking it for reads is in vain.
    core.leader = null;
  }
}

/** Ticks to the next one that does more than count. At least 1; messages may put it off or bring it nearer. */
export function ticksUntilDue(core: RaftCore): number {
  if (core.role === "leader") {
    const untilCheck = core.options.electionTicks - core.electionElapsed;
    return Math.max(1, Math.min(ticksUntilHeartbeat(core), untilCheck));
  }
  const untilElection = core.electionTimeout - core.electionElapsed;
  const untilState = core.stateWaitTicks > 0 ? core.stateWaitTicks : untilElection;
  return Math.max(1, Math.min(untilElection, untilState));
}

/** Of a leader; infinite elsewhere. */
export function ticksUntilHeartbeat(core: RaftCore): number {
  if (core.role !== "leader") return Number.POSITIVE_INFINITY;
  return core.options.heartbeatTicks - core.heartbeatElapsed;
}

/** A leader's next heartbeat goes in so many ticks at most. */
export function heartbeatWithin(core: RaftCore, ticks: number): void {
  const { heartbeatTicks } = core.options;
  core.heartbeatElapsed = Math.max(core.heartbeatElapsed, heartbeatTicks - ticks);
}
