/**
 * Elections: pre-vote (Raft thesis 9.6), votes (3.4, 3.6.1), and the stickiness of followers to a leader they hear
 * (4.2.3, with check-quorum on the leader's side), unless they have disowned it.
 */

import type { ReplicaId, Term } from "../../base/index.ts";
import { isVoter, replicasOf } from "./configuration.ts";
import type { VoteRequest, VoteResponse } from "./message.ts";
import { voteOutcome } from "./quorum.ts";
import type { RaftCore } from "./raft-core.ts";

/** Asks whether an election could be won, without a new term. */
export function campaignPreVote(core: RaftCore): void {
  core.becomePreCandidate();
  core.votes.set(core.id, true);
  requestVotes(core, true, false);
  countVotes(core);
}

/** Stands in a new term. The vote for oneself counts once it is durable. */
export function campaign(core: RaftCore, isTransfer: boolean): void {
  core.becomeCandidate();
  requestVotes(core, false, isTransfer);
}

/** Acts on the votes there are. */
export function countVotes(core: RaftCore): void {
  switch (voteOutcome(core.configuration, core.votes)) {
    case "won":
      if (core.role === "preCandidate") campaign(core, false);
      else core.becomeLeader();
      break;
    case "lost":
      core.becomeFollower(core.term, null);
      break;
    case "pending":
      break;
  }
}

/** Whether a request in a later term is to be ignored, because the leader is alive as far as this replica knows. */
export function sticksToLeader(core: RaftCore, request: VoteRequest): boolean {
  const hearsLeader = core.leader !== null && core.electionElapsed < core.options.electionTicks;
  return !request.transfer && hearsLeader && !hasDisowned(core);
}

/** It may be the only one whose log can win: it is not shunned for good. */
const SHUN_ELECTIONS = 6;

/**
 * Done with the leader of `term`, if this replica follows one there: what that leader says no longer keeps it from
 * standing, within two election timeouts and once, nor from voting for others who stand; and it does not vote for that
 * leader for some time. Votes that are given count as ever: telling a replica wrongly costs an election, no more. True
 * when this is news.
 */
export function disownLeader(core: RaftCore, term: Term): boolean {
  const { leader, options } = core;
  const follows = core.role === "follower" && core.term === term;
  if (!follows || leader === null || !isVoter(core.configuration, core.id) || hasDisowned(core))
    return false;
  core.disowned = { leader, term, shunTicks: SHUN_ELECTIONS * options.electionTicks };
  core.restartElectionTimer();
  return true;
}

/** Whether the leader of this term is one that this replica is done with. */
export function hasDisowned(core: RaftCore): boolean {
  return core.disowned?.term === core.term;
}

/** A request of this term, or a pre-vote for a later one. */
export function handleVoteRequest(core: RaftCore, request: VoteRequest): void {
  const isFree =
    core.votedFor === request.from ||
    (core.votedFor === null && core.leader === null) ||
    (request.preVote && request.term > core.term);
  const granted =
    isFree &&
    core.damagedUpTo === null &&
    !isShunned(core, request.from) &&
    core.log.isUpToDate(request.lastIndex, request.lastTerm);
  const response: VoteResponse = {
    kind: "voteResponse",
    from: core.id,
    to: request.from,
    // A granted pre-vote is for the term to come; a refusal tells the term of now.
    term: granted ? request.term : core.term,
    preVote: request.preVote,
    granted,
  };
  if (request.preVote) {
    core.emit(response);
    return;
  }
  if (granted) core.voteFor(request.from);
  core.emitDurable(response);
}

export function handleVoteResponse(core: RaftCore, response: VoteResponse): void {
  if (core.role !== (response.preVote ? "preCandidate" : "candidate")) return;
  if (response.granted) {
    const isForThis = response.preVote
      ? response.term === core.term + 1
      : response.term === core.term;
    if (!isForThis) return;
  }
  if (!isVoter(core.configuration, response.from) || core.votes.has(response.from)) return;
  core.votes.set(response.from, response.granted);
  countVotes(core);
}

function isShunned({ disowned }: RaftCore, candidate: ReplicaId): boolean {
  return disowned !== null && disowned.leader === candidate && disowned.shunTicks > 0;
}

function requestVotes(core: RaftCore, preVote: boolean, transfer: boolean): void {
  const term = (preVote ? core.term + 1 : core.term) as Term;
  for (const to of otherVoters(core)) {
    const request: VoteRequest = {
      kind: "voteRequest",
      from: core.id,
      to,
      term,
      preVote,
      transfer,
      lastIndex: core.log.lastIndex,
      lastTerm: core.log.lastTerm,
    };
    // A vote is given to a log: until that log is synced nobody may count on it.
    if (preVote) core.emit(request);
    else core.emitDurable(request);
  }
}

function otherVoters(core: RaftCore): ReplicaId[] {
  return [...replicasOf(core.configuration)].filter(
    (replica) => replica !== core.id && isVoter(core.configuration, replica),
  );
}
