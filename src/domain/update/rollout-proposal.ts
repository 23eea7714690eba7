/** How a plan begins, and which releases no plan is made for. */

import { createHash } from "node:crypto";
import type { NodeId } from "../../base/index.ts";
import { compareVersions } from "../config/index.ts";
import { releasesApart } from "../wire/index.ts";
import { canonicalJson } from "./canonical-json.ts";
import type { Architecture, Channel, Release } from "./release.ts";
import { asReason, type NodeReport, type RolloutPlan } from "./rollout-plan.ts";

export interface CoreChoice {
  readonly arch: Architecture;
  readonly coreSha256: string;
}

interface Beginning {
  readonly operation: number;
  readonly nowMs: number;
}

export function updatePlan(
  release: Release,
  reports: readonly NodeReport[],
  { operation, nowMs }: Beginning,
): RolloutPlan {
  const { version, channel, notes, digest, targets } = release;
  const changesSqlite = targets.some(({ arch, sqlite }) =>
    reports.some((report) => report.arch === arch && report.sqlite !== sqlite),
  );
  return {
    ...emptyPlan("update", version, operation, nowMs),
    channel,
    notes: asReason(notes),
    digest,
    cores: targets.map(({ arch, coreSha256 }) => ({ arch, coreSha256 })),
    stateFormat: Math.max(0, ...targets.map(({ stateFormat }) => stateFormat)),
    changesSqlite,
  };
}

/** Back to a version that the named nodes have in their standby; `only` null means all of them. */
export function rollbackPlan(
  back: {
    readonly version: string;
    readonly channel: Channel;
    readonly cores: readonly CoreChoice[];
    readonly only: readonly NodeId[] | null;
  },
  { operation, nowMs }: Beginning,
): RolloutPlan {
  const { version, channel, cores, only } = back;
  const digest = rollbackDigest(version, cores, only);
  return { ...emptyPlan("rollback", version, operation, nowMs), channel, digest, cores, only };
}

/** What is voted on in a rollback. */
export function rollbackDigest(
  version: string,
  cores: readonly CoreChoice[],
  only: readonly NodeId[] | null,
): string {
  const byArch = cores.map(({ arch, coreSha256 }) => `${arch} ${coreSha256}`).sort();
  const nodes = only === null ? null : [...only].sort();
  const content = canonicalJson({ rollback: version, cores: byArch, nodes });
  return createHash("sha256").update(content).digest("hex");
}

/** The cores of a version that nodes hold in their slots; where they differ, none of that architecture. */
export function coresOfVersion(
  version: string,
  reports: readonly NodeReport[],
): readonly CoreChoice[] {
  const found = new Map<Architecture, Set<string>>();
  for (const report of reports) {
    const held = [
      [report.version, report.coreSha256],
      [report.standbyVersion, report.standbyCoreSha256],
    ] as const;
    for (const [name, coreSha256] of held) {
      if (name !== version || coreSha256 === null) continue;
      found.set(report.arch, (found.get(report.arch) ?? new Set()).add(coreSha256));
    }
  }
  return [...found].flatMap(([arch, hashes]) => {
    const [coreSha256, ...others] = hashes;
    return coreSha256 === undefined || others.length > 0 ? [] : [{ arch, coreSha256 }];
  });
}

/** Why the network, as it runs now, takes no such version; null when it may. */
export function versionProblem(version: string, running: readonly string[]): string | null {
  for (const one of new Set(running)) {
    if (isOneMinorApart(one, version)) continue;
    return `a node runs ${one}: versions run together when they are one minor apart at most; bring it up to date first, or remove it if it is gone`;
  }
  return null;
}

/** Whether with this version every node gets nearer to what the channel is at, and none further away. */
export function isTowards(version: string, running: readonly string[], channel: string): boolean {
  const step = compareVersions(version, channel);
  if (step === null) return false;
  return running.every((one) => {
    const before = compareVersions(one, version);
    if (before === null) return step === 0;
    return step === 0 || (step < 0 ? before <= 0 : before >= 0);
  });
}

/** The version to go to next: the channel's, or the last on the way there that can run beside what runs now. */
export function nextVersion(
  running: readonly string[],
  channel: string,
  known: readonly string[],
): string | null {
  const able = [channel, ...known]
    .filter((version) => isTowards(version, running, channel))
    .filter((version) => versionProblem(version, running) === null);
  if (able.includes(channel)) return channel;
  const isUpgrade = running.every((one) => (compareVersions(one, channel) ?? -1) <= 0);
  const [nearest = null] = able.sort((a, b) => (compareVersions(b, a) ?? 0) * (isUpgrade ? 1 : -1));
  return nearest !== null && running.every((one) => one === nearest) ? null : nearest;
}

/** Why what the channel is at is not on its way, for people; null when it is, or runs everywhere. */
export function holdBack(
  channel: string,
  running: readonly string[],
  latest: RolloutPlan | null,
): string | null {
  const isActive = latest !== null && ["proposed", "approved", "rolling"].includes(latest.state);
  if (isActive || running.every((one) => one === channel)) return null;
  if (latest?.state === "paused") return `the rollout of ${latest.version} is paused`;
  if (latest !== null && latest.state !== "done") {
    return `the rollout of ${latest.version} was ${latest.state}; \`mycelium update plan ${latest.version}\` tries again`;
  }
  return latest?.kind === "rollback" ? "nodes were rolled back" : versionProblem(channel, running);
}

/** Whether there is anything to do. */
export function isCurrent(release: Release, reports: readonly NodeReport[]): boolean {
  return reports.every((report) => {
    const target = release.targets.find(({ arch }) => arch === report.arch);
    return target === undefined || target.coreSha256 === report.coreSha256;
  });
}

/** What nobody released is no version to go to or from. */
function isOneMinorApart(a: string, b: string): boolean {
  return compareVersions(a, b) !== null && releasesApart(a, b) === null;
}

function emptyPlan(
  kind: RolloutPlan["kind"],
  version: string,
  operation: number,
  createdAtMs: number,
): RolloutPlan {
  return {
    id: `${version}-${operation}`,
    operation,
    kind,
    version,
    channel: "stable",
    notes: "",
    digest: "",
    cores: [],
    stateFormat: 0,
    changesSqlite: false,
    only: null,
    state: "proposed",
    reason: "",
    waves: 0,
    nodes: [],
    finalised: false,
    createdAtMs,
    certificate: null,
  };
}
