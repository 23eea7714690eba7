/** What is wrong with a node just now, why, and what to do: faults make it unhealthy, notices do not. */

import { formatDurationMs, formatSizeBytes } from "../base/index.ts";
import type { Problem } from "../domain/api/index.ts";
import type { LinkStatus } from "../ports/index.ts";
import type { GroupStatus } from "../runtime/consensus/index.ts";
import type { Member } from "../runtime/membership/index.ts";
import type { Picture } from "./picture.ts";
import { updateProblems } from "./rollout-view.ts";

/** A link that has been away for shorter is no news. */
const UNSEEN_NOTICE_MS = 5_000;
/** Entries behind the commit that a replica under load may be without anything being wrong. */
const LAG_NOTICE = 10_000;

export function problemsOf(picture: Picture): readonly Problem[] {
  return [
    ...expelledProblems(picture),
    ...consensusProblems(picture),
    ...picture.consensus.groups.flatMap((group) => groupProblems(group, picture)),
    ...storeProblems(picture),
    ...copyProblems(picture),
    ...peerProblems(picture),
    ...machineProblems(picture),
    ...updateProblems(picture.update, picture.grant.member),
    ...launcherProblems(picture),
  ];
}

function fault(what: string, why: string, todo: string): Problem {
  return { severity: "fault", what, why, todo };
}

function notice(what: string, why: string, todo: string): Problem {
  return { severity: "notice", what, why, todo };
}

/** A member that refuses this node's links because it is no member any more; undefined while none does. */
export function expelledBy(links: readonly LinkStatus[], members: readonly Member[]) {
  return links.find(
    ({ node, state, lastErrorCode }) =>
      state !== "up" &&
      (lastErrorCode === "NOT_A_MEMBER" || lastErrorCode === "FORBIDDEN") &&
      members.some(({ id }) => id === node),
  );
}

function expelledProblems({ linkStatuses, members }: Picture): Problem[] {
  const refused = expelledBy(linkStatuses, members);
  if (refused === undefined) return [];
  return [
    fault(
      "this node is no member of the network any more",
      `node ${refused.node} refuses its links: ${refused.lastError ?? "it was removed"}`,
      "`mycelium leave --wipe` clears this machine; it can join again with a token that `mycelium token create` " +
        "prints on a member",
    ),
  ];
}

function consensusProblems({ consensus }: Picture): Problem[] {
  if (consensus.failure === null) return [];
  return [
    fault(
      "this node takes no part in consensus any more",
      consensus.failure.message,
      "make room on the disk or replace it, then restart the node",
    ),
  ];
}

function groupProblems(group: GroupStatus, picture: Picture): Problem[] {
  const problems: Problem[] = [];
  const voters = group.members.filter((member) => member.weight > 0);
  if (group.leader === null) {
    const total = voters.reduce((sum, voter) => sum + voter.weight, 0);
    const reached = voters
      .filter((voter) => voter.node === picture.grant.member || picture.links.isUp(voter.node))
      .reduce((sum, voter) => sum + voter.weight, 0);
    const waits = group.members.length === 0;
    problems.push(
      fault(
        `${group.group} has no leader: writes and strong reads are refused`,
        ...whyLeaderless({ waits, reached, total }),
      ),
    );
  }
  if (group.damagedUpTo !== null) {
    problems.push(
      notice(
        `${group.group}: this replica does not vote yet`,
        `damaged log entries up to ${group.damagedUpTo} were dropped and are being fetched again`,
        "nothing, while another replica is reachable; check this machine's disk",
      ),
    );
  }
  if (group.installError !== null) {
    problems.push(
      fault(
        `${group.group}: a snapshot could not be installed`,
        group.installError,
        "mend that: it is tried again",
      ),
    );
  }
  if (group.role === "leader" && voters.length === 2) {
    problems.push(
      notice(
        `${group.group} has two voters`,
        "the loss of either stops writes (and loses nothing)",
        "add a third node: `mycelium token create`",
      ),
    );
  }
  return problems;
}

/** Why, and what to do. */
function whyLeaderless(seen: { waits: boolean; reached: number; total: number }): [string, string] {
  const { waits, reached, total } = seen;
  if (waits) {
    return [
      "this node has not been told yet who takes part; it was not reached by the network's leader",
      "wait a moment after a join; else see that the other nodes run and reach this one",
    ];
  }
  if (2 * reached > total) {
    return [
      `an election is under way: voters of weight ${reached} of ${total} can be reached from here, which is enough`,
      "wait a moment; if it stays so, look at `mycelium logs` of this node and the others",
    ];
  }
  return [
    `voters of weight ${reached} of ${total} can be reached from here, needed more than half`,
    "start the missing nodes, or mend the network between them; local reads go on meanwhile",
  ];
}

function storeProblems({ shards, consensus }: Picture): Problem[] {
  return shards.flatMap(({ id, store }) => {
    const commit = consensus.groups.find((group) => group.group === id)?.commitIndex ?? 0;
    const lag = commit - store.appliedIndex;
    const found = store.problems.map(({ what, why, todo }) => fault(what, why, todo));
    if (lag <= LAG_NOTICE) return found;
    return [
      ...found,
      notice(
        `${id} is ${lag} entries behind here`,
        "this replica is catching up",
        "nothing; it ends by itself",
      ),
    ];
  });
}

function peerProblems({ members, grant, links, linkStatuses, uptimeMs }: Picture): Problem[] {
  return members
    .filter((member) => member.id !== grant.member && member.state === "active")
    .filter((member) => !links.isUp(member.id))
    .filter((member) => Math.min(links.unseenMs(member.id), uptimeMs) > UNSEEN_NOTICE_MS)
    .map((member) => {
      const link = linkStatuses.find(({ node }) => node === member.id);
      const error = link?.lastError;
      if (link?.lastErrorCode === "VERSION_UNSUPPORTED") return unsupported(link);
      return notice(
        `node ${member.id} is away`,
        `no link for ${formatDurationMs(links.unseenMs(member.id))}${error ? `: ${error}` : ""}`.slice(
          0,
          1_000,
        ),
        "start it or mend the network; if it is gone for good: `mycelium node remove ID`",
      );
    });
}

/** One of the two has to be updated, whoever refused. */
function unsupported({ node, lastError }: LinkStatus): Problem {
  return notice(
    `node ${node} runs a version that does not go with this node's`,
    lastError ?? "they have no version in common",
    "bring the older of the two up to date, one minor version after the other (install.sh, or `mycelium update`)",
  );
}

/** Another process with this node's key is linked to the others: what it promises in our name we cannot keep. */
function copyProblems({ linkStatuses }: Picture): Problem[] {
  const copied = linkStatuses.find((link) => link.lastErrorCode === "STATE_COPIED");
  if (copied === undefined) return [];
  return [
    fault(
      "another running node has this node's identity",
      copied.lastError ?? "its state directory was copied",
      "stop one of the two; delete the copy's state directory and join it anew with a token",
    ),
  ];
}

function launcherProblems({ launcherProblem }: Picture): Problem[] {
  if (launcherProblem === null) return [];
  return [
    notice(
      "the installed launcher is not that of the running release",
      launcherProblem.slice(0, 1_000),
      "run install.sh again; the node goes on with the launcher it has",
    ),
  ];
}

function machineProblems(picture: Picture): Problem[] {
  const problems: Problem[] = [];
  const { diskFreeBytes, diskReserveBytes, clockOffMs } = picture;
  if (diskFreeBytes < diskReserveBytes) {
    problems.push(
      fault(
        "the disk is nearly full: this node refuses writes",
        `${formatSizeBytes(diskFreeBytes)} are free, needed ${formatSizeBytes(diskReserveBytes)} (DISK_RESERVE)`,
        "free some space: it goes on by itself",
      ),
    );
  }
  if (clockOffMs !== null) {
    problems.push(
      fault(
        "this machine's clock is off",
        `most peers' clocks differ from it by ${formatDurationMs(Math.abs(clockOffMs))}`,
        "set the clock: `timedatectl set-ntp true`",
      ),
    );
  }
  return problems;
}
