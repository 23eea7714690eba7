/** What a leader does: send, count acknowledgements, commit, confirm reads, hand over (Raft thesis 3.5, 3.6.2, 6.4). */

import { assert, type LogIndex, type ReplicaId } from "../../base/index.ts";
import { encodeConfiguration, isJoint, isVoter, weightOf } from "./configuration.ts";
import { leaveJoint } from "./configuration-change.ts";
import { entrySizeBytes } from "./entry.ts";
import type { AppendResponse, HeartbeatResponse } from "./message.ts";
import type { Progress } from "./progress.ts";
import { hasQuorum, quorumIndex } from "./quorum.ts";
import type { RaftCore } from "./raft-core.ts";

export function tickLeader(core: RaftCore): void {
  core.electionElapsed++;
  if (core.electionElapsed >= core.options.electionTicks) {
    core.electionElapsed = 0;
    core.transferTarget = null;
    if (!checkQuorum(core)) {
      core.becomeFollower(core.term, null);
      return;
    }
  }
  core.heartbeatElapsed++;
  if (core.heartbeatElapsed < core.options.heartbeatTicks) return;
  core.heartbeatElapsed = 0;
  for (const progress of core.progress.values()) {
    sendHeartbeat(core, progress, true);
    const { electionTicks, heartbeatTicks } = core.options;
    if (progress.shouldOfferAgain(electionTicks / heartbeatTicks)) offerSnapshot(core, progress);
  }
}

/** Sends what each follower can take: entries, else news of the commit index. */
export function sendToAll(core: RaftCore): void {
  for (const progress of core.progress.values()) {
    while (needsEntries(core, progress) && sendAppend(core, progress)) {
      // Until the follower has all or its window is full.
    }
    if (hasCommitNews(core, progress) && isNewsDue(core, progress)) {
      sendHeartbeat(core, progress, false);
    }
  }
  core.commitNewsDue = false;
}

/** Of a leader: whether a follower has yet to hear of something committed. */
export function anyCommitNews(core: RaftCore): boolean {
  for (const progress of core.progress.values()) if (hasCommitNews(core, progress)) return true;
  return false;
}

/** Something is committed that the follower holds and has not heard of. */
function hasCommitNews(core: RaftCore, progress: Progress): boolean {
  return Math.min(progress.match, core.commitIndex) > progress.commitTold;
}

/** A frame and two wake-ups a follower and commit are saved where the next append brings the news as well. */
function isNewsDue(core: RaftCore, progress: Progress): boolean {
  const isLate = core.options.tellsCommitsLate && !core.commitNewsDue;
  return !isLate || progress.commitTold < progress.readIndex;
}

export function handleAppendResponse(core: RaftCore, response: AppendResponse): void {
  const progress = core.progress.get(response.from);
  if (progress === undefined) return;
  progress.recentlyActive = true;
  if (response.rejected) {
    handleRejection(core, progress, response);
    return;
  }
  if (response.index > core.log.lastIndex) {
    core.refuse(response, `index ${response.index} is past the log's end`);
  }
  const isNews = progress.acknowledged(response.index);
  progress.snapshotDone();
  if (isNews) {
    advanceCommit(core);
    if (core.role === "leader") continueTransfer(core);
  }
}

export function handleHeartbeatResponse(core: RaftCore, response: HeartbeatResponse): void {
  const progress = core.progress.get(response.from);
  if (progress === undefined) return;
  progress.recentlyActive = true;
  progress.resume(core.log.lastIndex);
  if (response.round > core.reads.round)
    core.refuse(response, `round ${response.round} is unknown`);
  progress.roundAnswered = Math.max(progress.roundAnswered, response.round);
  confirmReads(core);
  // Also finds out that appends were lost: an empty one is refused by a follower that lacks what is before it.
  if (core.role === "leader" && progress.match < core.log.lastIndex) sendAppend(core, progress);
}

/** After acknowledgements, the leader's own fsync, or a change of configuration. */
export function advanceCommit(core: RaftCore): void {
  const index = quorumIndex(core.configuration, (replica) => core.matchOf(replica)) as LogIndex;
  // Only an entry of this term is committed by counting; it commits those before it (Raft thesis 3.6.2).
  if (index <= core.commitIndex || core.log.termOf(index) !== core.term) return;
  core.commitTo(index);
  releaseUncommitted(core);
  finishConfiguration(core);
  if (core.role !== "leader") return;
  // Those who were still to answer the round may count no more, and this replica may be the only one left.
  confirmReads(core);
  beginReads(core);
}

/** Starts a round of read index if reads wait and the leader's own no-op is committed. */
export function beginReads(core: RaftCore): void {
  if (core.commitIndex < core.noopIndex) return;
  if (!core.reads.begin(core.commitIndex)) return;
  for (const progress of core.progress.values()) sendHeartbeat(core, progress, true);
  confirmReads(core);
}

export function continueTransfer(core: RaftCore): void {
  const target = core.transferTarget;
  if (target === null || core.matchOf(target) < core.log.lastIndex) return;
  core.emit({ kind: "timeoutNow", from: core.id, to: target, term: core.term });
}

/** The voter that would lead best: it has most of the log, then most weight. Null when nobody answers. */
export function bestSuccessor(core: RaftCore): ReplicaId | null {
  let best: Progress | null = null;
  for (const progress of core.progress.values()) {
    if (!isVoter(core.configuration, progress.replica) || progress.match === 0) continue;
    if (best === null || isBetterSuccessor(core, progress, best)) best = progress;
  }
  return best?.replica ?? null;
}

function isBetterSuccessor(core: RaftCore, a: Progress, b: Progress): boolean {
  if (a.recentlyActive !== b.recentlyActive) return a.recentlyActive;
  if (a.match !== b.match) return a.match > b.match;
  return weightOf(core.configuration, a.replica) > weightOf(core.configuration, b.replica);
}

function handleRejection(core: RaftCore, progress: Progress, response: AppendResponse): void {
  const { hintIndex, hintTerm } = response;
  const candidate = hintTerm > 0 ? core.log.lastIndexWithin(hintIndex, hintTerm) : hintIndex;
  if (response.damaged && response.index <= progress.match) progress.stepBack(candidate);
  else progress.rejected(response.index, candidate);
}

function needsEntries(core: RaftCore, progress: Progress): boolean {
  return progress.next <= core.log.lastIndex && !progress.isPaused;
}

/** False when nothing can be sent now. */
function sendAppend(core: RaftCore, progress: Progress): boolean {
  if (progress.isPaused) return false;
  const prevIndex = (progress.next - 1) as LogIndex;
  const prevTerm = core.log.termOf(prevIndex);
  if (prevTerm === null) {
    offerSnapshot(core, progress);
    return false;
  }
  const { lastIndex } = core.log;
  const entries = core.log.entries(progress.next, lastIndex, core.options.appendBytesMax);
  const last = (prevIndex + entries.length) as LogIndex;
  core.emit({
    kind: "append",
    from: core.id,
    to: progress.replica,
    term: core.term,
    prevIndex,
    prevTerm,
    commit: core.commitIndex,
    entries,
  });
  let sizeBytes = 0;
  for (const entry of entries) sizeBytes += entrySizeBytes(entry);
  progress.appendSent(last, sizeBytes);
  const committed = Math.min(core.commitIndex, last) as LogIndex;
  if (committed > progress.commitTold) progress.commitTold = committed;
  return true;
}

function sendHeartbeat(core: RaftCore, progress: Progress, wantsReply: boolean): void {
  // Not past what the follower is known to hold: beyond it, its log may differ from this one.
  const commit = Math.min(progress.match, core.commitIndex) as LogIndex;
  if (commit > progress.commitTold) progress.commitTold = commit;
  core.emit({
    kind: "heartbeat",
    from: core.id,
    to: progress.replica,
    term: core.term,
    commit,
    round: core.reads.round,
    wantsReply,
  });
}

function offerSnapshot(core: RaftCore, progress: Progress): void {
  const { snapshot } = core.log;
  progress.becomeSnapshot(snapshot.index);
  core.emit({
    kind: "snapshotOffer",
    from: core.id,
    to: progress.replica,
    term: core.term,
    snapshot,
  });
}

function checkQuorum(core: RaftCore): boolean {
  const isActive = (replica: ReplicaId): boolean =>
    replica === core.id || core.progress.get(replica)?.recentlyActive === true;
  const holds = hasQuorum(core.configuration, isActive);
  for (const progress of core.progress.values()) progress.nextPeriod();
  return holds;
}

function confirmReads(core: RaftCore): void {
  const answered = quorumIndex(core.configuration, (replica) =>
    replica === core.id ? core.reads.round : (core.progress.get(replica)?.roundAnswered ?? 0),
  );
  const confirmed = core.reads.confirm(answered);
  if (confirmed.length === 0) return;
  for (const read of confirmed) {
    if (read.from === null) core.confirmedReads.push(read);
    else {
      const { from, context, index } = read;
      const progress = core.progress.get(from);
      if (progress !== undefined) progress.readIndex = index;
      core.emit({ kind: "readResponse", from: core.id, to: from, term: core.term, context, index });
    }
  }
  beginReads(core);
}

function releaseUncommitted(core: RaftCore): void {
  const { uncommitted } = core;
  let released = 0;
  for (const { index, sizeBytes } of uncommitted) {
    if (index > core.commitIndex) break;
    core.uncommittedBytes -= sizeBytes;
    released++;
  }
  uncommitted.splice(0, released);
  assert(core.uncommittedBytes >= 0, "the uncommitted tail has less than no bytes");
}

/** A committed joint configuration is left; a leader that votes no longer steps down (Raft thesis 4.2.2). */
function finishConfiguration(core: RaftCore): void {
  const { index, configuration } = core.configurations.latest;
  if (index > core.commitIndex) return;
  if (isJoint(configuration)) {
    core.appendOwn("configuration", encodeConfiguration(leaveJoint(configuration)));
    // Alone among the voters to come, the entry is committed once it is stable: nothing to do now.
  } else if (!isVoter(configuration, core.id)) {
    core.commitNewsDue = true;
    sendToAll(core);
    const successor = bestSuccessor(core);
    if (successor !== null) {
      core.emit({ kind: "timeoutNow", from: core.id, to: successor, term: core.term });
    }
    core.becomeFollower(core.term, null);
  }
}
