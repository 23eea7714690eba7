/** What a message does: first its term is settled (Raft thesis 3.3), then it goes to whom it concerns. */

import { handleVoteRequest, handleVoteResponse, sticksToLeader } from "./election.ts";
import {
  acceptLeader,
  handleAppend,
  handleHeartbeat,
  handleSnapshotOffer,
  handleTimeoutNow,
} from "./following.ts";
import { beginReads, handleAppendResponse, handleHeartbeatResponse } from "./leading.ts";
import type { Message } from "./message.ts";
import type { RaftCore } from "./raft-core.ts";

/** Throws MALFORMED on what only a broken or hostile peer sends. */
export function stepMessage(core: RaftCore, message: Message): void {
  if (message.to !== core.id) return;
  if (message.from === core.id) core.refuse(message, "it claims to come from this replica");
  if (message.term > core.term && !adoptTerm(core, message)) return;
  if (message.term < core.term) answerStale(core, message);
  else dispatch(core, message);
}

/** False when the message is to be ignored. */
function adoptTerm(core: RaftCore, message: Message): boolean {
  if (message.kind === "voteRequest") {
    if (sticksToLeader(core, message)) return false;
    if (message.preVote) {
      handleVoteRequest(core, message);
      return false;
    }
  }
  if (message.kind === "voteResponse" && message.preVote && message.granted) {
    handleVoteResponse(core, message);
    return false;
  }
  const isFromLeader =
    message.kind === "append" || message.kind === "heartbeat" || message.kind === "snapshotOffer";
  core.becomeFollower(message.term, isFromLeader ? message.from : null);
  return true;
}

/** A sender of an older term learns the new one, so that a cut-off leader or candidate does not stay stuck. */
function answerStale(core: RaftCore, message: Message): void {
  switch (message.kind) {
    case "append":
    case "heartbeat":
    case "snapshotOffer":
      core.emitDurable({
        kind: "heartbeatResponse",
        from: core.id,
        to: message.from,
        term: core.term,
        round: 0,
      });
      break;
    case "voteRequest":
      core.emitDurable({
        kind: "voteResponse",
        from: core.id,
        to: message.from,
        term: core.term,
        preVote: message.preVote,
        granted: false,
      });
      break;
    default:
      break;
  }
}

function dispatch(core: RaftCore, message: Message): void {
  switch (message.kind) {
    case "voteRequest":
      handleVoteRequest(core, message);
      break;
    case "voteResponse":
      handleVoteResponse(core, message);
      break;
    case "append":
      acceptLeader(core, message);
      handleAppend(core, message);
      break;
    case "heartbeat":
      acceptLeader(core, message);
      handleHeartbeat(core, message);
      break;
    case "snapshotOffer":
      acceptLeader(core, message);
      handleSnapshotOffer(core, message);
      break;
    case "appendResponse":
      if (core.role === "leader") handleAppendResponse(core, message);
      break;
    case "heartbeatResponse":
      if (core.role === "leader") handleHeartbeatResponse(core, message);
      break;
    case "timeoutNow":
      handleTimeoutNow(core, message);
      break;
    case "readRequest":
      if (core.role === "leader") {
        core.reads.ask({ from: message.from, context: message.context });
        beginReads(core);
      }
      break;
    case "readResponse":
      if (message.from !== core.leader) core.refuse(message, "it is not of this replica's leader");
      core.confirmedReads.push({ from: null, context: message.context, index: message.index });
      break;
  }
}
