/** `mycelium status` for people: one screen, what is wrong and what to do first. */

import { formatDurationMs, formatSizeBytes } from "../../base/index.ts";
import type { GroupStatus, Problem, Status } from "../../domain/api/index.ts";
import type { Paint } from "../terminal.ts";
import { alignRows } from "./align-rows.ts";
import { shortId } from "./short-id.ts";
import { planView, ROLLOUT_ACTIVE } from "./update-view.ts";

const PEERS_SHOWN_MAX = 20;

/** Lines without a line end. */
export function statusView(status: Status, ink: Paint): string[] {
  return [
    headline(status, ink),
    ...status.problems.flatMap((problem) => problemLines(problem, ink)),
    "",
    ...alignRows(nodeRows(status)).map((line) => `  ${line}`),
    "",
    ...groupLines(status, ink),
    "",
    ...rolloutLines(status, ink),
    ...peerLines(status, ink),
  ];
}

function headline(status: Status, ink: Paint): string {
  const faults = status.problems.filter(({ severity }) => severity === "fault").length;
  const nodes = status.peers.length + 1;
  const size = nodes === 1 ? "1 node" : `${nodes} nodes`;
  const verdict = status.healthy
    ? ink.green("● healthy")
    : ink.red(`● ${faults === 1 ? "1 problem" : `${faults} problems`}`);
  return `${verdict}  ${ink.bold(status.network.name)}, ${size}, ${leaderPhrase(status)}`;
}

function leaderPhrase(status: Status): string {
  if (status.raft.leader === null) return "no leader";
  if (status.raft.leader === status.node.id) return "led by this node";
  return `led by ${shortId(status.raft.leader)}`;
}

function problemLines(problem: Problem, ink: Paint): string[] {
  const isFault = problem.severity === "fault";
  const mark = isFault ? ink.red("✗") : ink.yellow("!");
  return [
    `${mark} ${problem.what}`,
    `  ${ink.dim(`why: ${problem.why}`)}`,
    `  do:  ${problem.todo}`,
  ];
}

function nodeRows({ node, network, listen, store, spores, memoryBytes }: Status): string[][] {
  const role = node.role === null ? "" : `, ${node.role}`;
  const disk = store.diskFreeBytes;
  return [
    ["network", network.id],
    ["node", node.id],
    ["", `${node.class}${role}, tier ${node.tier}, vote weight ${node.voteWeight}`],
    ["", `${node.state}, up ${formatDurationMs(node.uptimeMs)}, version ${node.version}`],
    ["SQL", listen.sqlUrl],
    ["listens", [listen.http, listen.peer, listen.gossip ?? "no gossip"].join("  ")],
    [
      "spores",
      `${spores.authority}; ${spores.latent} latent, ${spores.cached} cached, ${spores.gossipPeers} in gossip`,
    ],
    ["state", `${store.stateDirectory}${disk === null ? "" : `, ${formatSizeBytes(disk)} free`}`],
    ["memory", formatSizeBytes(memoryBytes)],
  ];
}

/** While a rollout is under way; how the last one ended is for `mycelium update status`. */
function rolloutLines({ update }: Status, ink: Paint): string[] {
  const plan = update?.plan ?? null;
  if (plan === null || !ROLLOUT_ACTIVE.has(plan.state)) return [];
  return [...planView(plan, ink), ""];
}

function groupLines({ raft, store }: Status, ink: Paint): string[] {
  const head = ["SHARD", "ROLE", "LEADER", "TERM", "APPLIED", "LAG", "SIZE", "WEIGHTS"];
  const rows = raft.groups.map((group) => {
    const shard = store.shards.find(({ name }) => name === group.id);
    return [
      group.id,
      group.role,
      group.leader === null ? "none" : shortId(group.leader),
      String(group.term),
      `${group.applied}/${group.commit}`,
      String(shard?.lag ?? group.commit - group.applied),
      shard === undefined ? "" : formatSizeBytes(shard.sizeBytes),
      weights(group),
    ];
  });
  const [first = "", ...rest] = alignRows([head, ...rows]);
  return [ink.dim(first), ...rest];
}

function weights(group: GroupStatus): string {
  const voters = group.replicas.filter(({ voter }) => voter);
  const learners = group.replicas.length - voters.length;
  const votes = voters.map(({ weight }) => weight).join("+");
  return learners === 0 ? votes : `${votes}, ${learners} learning`;
}

function peerLines({ peers }: Status, ink: Paint): string[] {
  if (peers.length === 0) return ["No other nodes: `mycelium token create` invites one."];
  const head = ["PEER", "LINK", "ROLE", "TIER", "WEIGHT", "RTT", "ADDRESS"];
  const rows = peers
    .slice(0, PEERS_SHOWN_MAX)
    .map((peer) => [
      shortId(peer.id),
      peer.link + (peer.unseenMs === null ? "" : ` ${formatDurationMs(peer.unseenMs)}`),
      peer.role ?? peer.class,
      String(peer.tier),
      String(peer.voteWeight),
      peer.roundTripMs === null ? "" : `${peer.roundTripMs.toFixed(1)} ms`,
      peer.addresses[0] ?? "",
    ]);
  const [first = "", ...rest] = alignRows([head, ...rows]);
  const hidden = peers.length - rows.length;
  return [
    ink.dim(first),
    ...rest,
    ...(hidden > 0 ? [`and ${hidden} more: \`mycelium node list\``] : []),
  ];
}
