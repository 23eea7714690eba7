import { describe, expect, test } from "bun:test";
import { asNodeId, type NodeId } from "../../base/index.ts";
import type { Release } from "./release.ts";
import { commandRollout } from "./rollout-commands.ts";
import {
  decodePlan,
  encodePlan,
  type NodeReport,
  type PlanPhase,
  type RolloutPlan,
} from "./rollout-plan.ts";
import {
  coresOfVersion,
  holdBack,
  isCurrent,
  rollbackDigest,
  updatePlan,
} from "./rollout-proposal.ts";
import { mayGoDown } from "./rollout-quorum.ts";
import {
  type Comparison,
  GRANT_LIMIT_MS,
  OFFLINE_MS,
  type RolloutWorld,
  STAGING_LIMIT_MS,
  SWITCH_LIMIT_MS,
  stepRollout,
} from "./rollout-step.ts";
import { plannedWaves } from "./rollout-waves.ts";

const OLD = "a".repeat(64);
const NEW = "b".repeat(64);
const IDS = ["a", "b", "c", "d", "e"].map(asNodeId);
const [A, B, C, D, E] = IDS as [NodeId, NodeId, NodeId, NodeId, NodeId];
const TARGET = {
  version: "0.2.0",
  arch: "x64",
  coreSha256: NEW,
  coreSizeBytes: 9,
  shippedSha256: "c".repeat(64),
  shippedSizeBytes: 5,
  stateFormat: 1,
  protocol: 1,
  minProtocol: 1,
  sqlite: "3.53.4",
  builtAtMs: 0,
} as const;
const RELEASE: Release = {
  version: "0.2.0",
  channel: "stable",
  notes: "",
  targets: [TARGET],
  digest: "d".repeat(64),
};

function report(
  node: NodeId,
  phase: NodeReport["phase"],
  change: Partial<NodeReport> = {},
): NodeReport {
  return {
    node,
    plan: "0.2.0-1",
    phase,
    arch: "x64",
    version: "0.1.0",
    coreSha256: OLD,
    standbyVersion: null,
    standbyCoreSha256: null,
    sqlite: "3.53.4",
    progress: 0,
    windowOpen: true,
    reason: "",
    ...change,
  };
}

/** Three nodes that vote, led by `a`, and whatever else is told. */
class Network {
  readonly phases = new Map<NodeId, NodeReport["phase"]>();
  readonly windows = new Map<NodeId, boolean>();
  readonly unseen = new Map<NodeId, number>();
  readonly still = new Map<NodeId, number>();
  members: readonly NodeId[];
  leader = A;
  voters: readonly NodeId[];
  comparison: Comparison = { result: "agrees" };
  plan: RolloutPlan;

  constructor(size = 3, plan = updatePlan(RELEASE, [], { operation: 1, nowMs: 0 })) {
    this.members = IDS.slice(0, size);
    this.voters = this.members;
    this.plan = plan;
  }

  step(times = 1): RolloutPlan {
    for (let i = 0; i < times; i++) this.plan = stepRollout(this.plan, this.world());
    return this.plan;
  }

  all(phase: NodeReport["phase"]): this {
    for (const node of this.members) this.phases.set(node, phase);
    return this;
  }

  phase(node: NodeId): PlanPhase | undefined {
    return this.plan.nodes.find((one) => one.node === node)?.phase;
  }

  granted(): NodeId[] {
    return this.plan.nodes.filter(({ granted }) => granted).map(({ node }) => node);
  }

  world(): RolloutWorld {
    const voters = this.voters.map((node) => ({ node, weight: 1 }));
    return {
      leader: this.leader,
      leaders: new Set([this.leader]),
      groups: [{ group: "main", voters }],
      away: new Set([...this.unseen].filter(([, ms]) => ms > 0).map(([node]) => node)),
      members: this.members,
      reports: new Map(
        [...this.phases].map(([node, phase]) => [
          node,
          report(node, phase, { windowOpen: this.windows.get(node) ?? true }),
        ]),
      ),
      unseenMs: (node) => this.unseen.get(node) ?? 0,
      stillMs: (node) => this.still.get(node) ?? 0,
      comparison: this.comparison,
      verdict: { result: "decided", certificate: Uint8Array.of(1) },
    };
  }
}

describe("a rollout", () => {
  test("goes from the canary over the others to the leader, one after the other", () => {
    const network = new Network();
    expect(network.step().state).toBe("approved");
    network.all("staged").step();
    expect(network.granted()).toEqual([B]);
    network.phases.set(B, "draining");
    network.unseen.set(B, 5_000);
    expect(network.step(2)).toMatchObject({ state: "rolling", reason: "" });
    network.unseen.clear();
    network.phases.set(B, "switched");
    expect(network.step(2).state).toBe("rolling");
    expect(network.granted()).toEqual([B]);
    network.phases.set(B, "healthy");
    network.step();
    expect(network.granted()).toEqual([C]);
    network.phases.set(C, "healthy");
    network.step();
    expect(network.granted()).toEqual([A]);
    network.leader = B;
    network.phases.set(A, "healthy");
    expect(network.step()).toMatchObject({ state: "done", finalised: true, waves: 3 });
    expect(network.step()).toBe(network.plan);
  });

  test("shows its waves before it begins", () => {
    const network = new Network(5);
    network.step(2);
    expect(plannedWaves(network.plan, network.world())).toEqual([[B], [C], [D], [E], [A]]);
    network.voters = [A];
    expect(plannedWaves(network.plan, network.world())).toEqual([[B], [C, D], [E], [A]]);
  });

  test("that is rejected, or whose canary reverts, says why and touches nobody else", () => {
    const network = new Network();
    const verdict = { result: "rejected", reason: "two were against it" } as const;
    expect(stepRollout(network.plan, { ...network.world(), verdict })).toMatchObject({
      state: "rejected",
      reason: "two were against it",
    });
    network.step();
    network.all("staged").step();
    network.phases.set(B, "reverted");
    expect(network.step(2)).toMatchObject({
      state: "reverted",
      reason: "node b reverted: no reason given",
    });
    expect(network.granted()).toEqual([]);
    expect(commandRollout(network.plan, "resume")).toMatchObject({ ok: false });
  });

  test("stops when a node does not come back from the switch, though it may be healthy later", () => {
    const network = new Network();
    network.step();
    network.all("staged").step();
    network.phases.set(B, "draining");
    network.step();
    network.unseen.set(B, SWITCH_LIMIT_MS).set(C, 1);
    expect(network.step().state).toBe("rolling");
    network.still.set(B, SWITCH_LIMIT_MS);
    expect(network.step().state).toBe("reverted");
    expect(network.phase(B)).toBe("failed");
    network.phases.set(B, "healthy");
    network.step();
    expect([network.plan.state, network.phase(B)]).toEqual(["reverted", "healthy"]);
  });

  test("leaves out whoever is away or does not get on, and takes the one that comes back", () => {
    const network = new Network();
    network.voters = [A];
    network.step(2);
    network.phases.set(A, "staged").set(C, "staged");
    network.unseen.set(B, OFFLINE_MS);
    network.step();
    expect(network.phase(B)).toBe("offline");
    expect(network.granted()).toEqual([C]);
    network.phases.set(C, "healthy");
    network.step();
    network.phases.set(A, "healthy");
    expect(network.step()).toMatchObject({ state: "done", finalised: false });
    network.unseen.clear();
    network.phases.set(B, "staged");
    network.step();
    expect(network.granted()).toEqual([B]);
    network.phases.set(B, "healthy");
    expect(network.step()).toMatchObject({ state: "done", finalised: true });
  });

  test("gives up a node that makes no progress, and one that is told to switch and does not", () => {
    const network = new Network();
    network.step(2);
    network.all("staged").phases.set(B, "staging");
    network.still.set(B, STAGING_LIMIT_MS);
    network.step();
    expect(network.phase(B)).toBe("unable");
    expect(network.granted()).toEqual([C]);
    network.still.set(C, GRANT_LIMIT_MS);
    network.step();
    expect(network.phase(C)).toBe("unable");
    network.still.clear();
    expect(network.granted()).toEqual([A]);
  });

  test("that no node can take ends", () => {
    const network = new Network();
    network.step(2);
    network.all("unable");
    expect(network.step()).toMatchObject({ state: "aborted", reason: "no node could take it" });
  });

  test("waits for the nodes' windows, for the canary's digests, and for nodes that cannot be spared", () => {
    const network = new Network();
    network.plan = { ...network.plan, changesSqlite: true };
    network.step(2);
    network.all("staged");
    for (const node of network.members) network.windows.set(node, false);
    expect(network.step().reason).toContain("windows");
    network.windows.set(B, true);
    network.step();
    expect(network.granted()).toEqual([B]);
    network.windows.clear();
    network.phases.set(B, "healthy");
    network.comparison = { result: "open" };
    expect(network.step().reason).toContain("SQLite");
    network.comparison = { result: "agrees" };
    network.unseen.set(B, 10);
    expect(network.step().reason).toContain("away");
    expect(network.granted()).toEqual([]);
    network.unseen.clear();
    network.step();
    expect(network.granted()).toEqual([C]);
  });

  test("that brings another SQLite stops at a canary whose data differs, and says why until it is back", () => {
    for (const phase of ["switched", "healthy"] as const) {
      const network = new Network();
      network.plan = { ...network.plan, changesSqlite: true };
      network.step(2);
      network.all("staged").step();
      network.phases.set(B, phase);
      network.comparison = { result: "differs", why: "its table t1 differs from the majority's" };
      expect(network.step(3)).toMatchObject({ state: "reverted" });
      const why = "runs another SQLite, and its table t1 differs from the majority's";
      expect(network.plan.reason).toBe(`node ${B} ${why}`);
      expect(network.granted()).toEqual([]);
      expect(network.plan.waves).toBe(1);
      const canary = () => network.plan.nodes.find(({ node }) => node === B);
      expect(canary()).toMatchObject({ phase: "failed", reason: `it ${why}` });
      network.phases.set(B, "reverted");
      network.step();
      expect(canary()).toMatchObject({ phase: "reverted" });
    }
  });

  test("with the SQLite of before, or past its first wave, is not held up by a comparison", () => {
    const network = new Network(4);
    network.step();
    network.all("staged").step();
    network.phases.set(B, "healthy");
    network.comparison = { result: "open" };
    network.step();
    expect(network.granted()).toEqual([C]);
    network.plan = { ...network.plan, changesSqlite: true };
    network.phases.set(C, "healthy");
    network.step();
    expect(network.granted()).toEqual([IDS[3] as NodeId]);
  });

  test("takes a grant back when the window closes before it is used", () => {
    const network = new Network();
    network.step();
    network.all("staged").step();
    expect(network.granted()).toEqual([B]);
    network.windows.set(B, false);
    network.step();
    expect(network.granted()).toEqual([C]);
  });

  test("paused takes grants back, resumed it goes on, aborted it is over", () => {
    const network = new Network();
    network.step();
    expect(commandRollout(network.plan, "resume").ok).toBe(false);
    network.all("staged").step();
    const command = (name: "pause" | "resume" | "abort") => {
      const verdict = commandRollout(network.plan, name);
      if (verdict.ok) network.plan = verdict.plan;
      return verdict.ok;
    };
    expect(command("pause")).toBe(true);
    expect(command("pause")).toBe(false);
    expect(network.step(2)).toMatchObject({ state: "paused" });
    expect(network.granted()).toEqual([]);
    expect(command("resume")).toBe(true);
    network.step();
    expect(network.granted()).toEqual([B]);
    expect(command("abort")).toBe(true);
    expect(network.step(2)).toMatchObject({ state: "aborted", reason: "aborted by the operator" });
    expect(network.granted()).toEqual([]);
    expect(command("abort")).toBe(false);
  });

  test("takes in who joins and forgets who leaves", () => {
    const network = new Network();
    network.step(2);
    network.members = [A, C, D];
    network.step();
    expect(network.plan.nodes.map(({ node }) => node)).toEqual([A, C, D]);
  });

  test("is the same after a way through the store", () => {
    const network = new Network();
    network.step(2);
    expect(decodePlan(encodePlan(network.plan))).toEqual(network.plan);
  });
});

test("a wave never takes a quorum, and several go only where one more could fail", () => {
  const group = (...weights: number[]) => [
    { group: "main", voters: weights.map((weight, i) => ({ node: IDS[i] as NodeId, weight })) },
  ];
  const none = new Set<NodeId>();
  expect(mayGoDown(group(1, 1, 1), none, [A])).toBe(true);
  expect(mayGoDown(group(1, 1, 1), none, [A, B])).toBe(false);
  expect(mayGoDown(group(1, 1, 1), new Set([C]), [A])).toBe(false);
  expect(mayGoDown(group(1, 1, 1, 1, 1), none, [A, B])).toBe(false);
  expect(mayGoDown(group(1, 1, 1, 1, 1), new Set([E]), [A])).toBe(true);
  expect(mayGoDown(group(1, 1), none, [A])).toBe(true);
  expect(mayGoDown(group(1, 1), new Set([B]), [A])).toBe(false);
  expect(mayGoDown(group(2, 1, 1), none, [A])).toBe(true);
  expect(mayGoDown(group(2, 1, 1), new Set([B]), [A])).toBe(false);
  expect(mayGoDown(group(1, 1, 1), new Set([A, B]), [D])).toBe(true);
});

test("a rollback names the cores that the slots hold, and its digest names its nodes", () => {
  const reports = [
    report(A, "waiting", {
      version: "0.2.0",
      coreSha256: NEW,
      standbyVersion: "0.1.0",
      standbyCoreSha256: OLD,
    }),
    report(B, "waiting", { arch: "arm64", coreSha256: "1".repeat(64) }),
    report(C, "waiting", { arch: "arm64", coreSha256: "2".repeat(64) }),
  ];
  const cores = coresOfVersion("0.1.0", reports);
  expect(cores).toEqual([{ arch: "x64", coreSha256: OLD }]);
  expect(rollbackDigest("0.1.0", cores, [A, B])).toBe(rollbackDigest("0.1.0", cores, [B, A]));
  expect(rollbackDigest("0.1.0", cores, [A])).not.toBe(rollbackDigest("0.1.0", cores, null));
  expect(isCurrent(RELEASE, reports)).toBe(true);
  expect(isCurrent(RELEASE, [report(A, "waiting")])).toBe(false);
});

test("what holds an available version back is said", () => {
  expect(holdBack("0.2.0", ["0.2.0"], null)).toBeNull();
  expect(holdBack("0.2.0", ["0.1.0"], null)).toBeNull();
  expect(holdBack("0.3.0", ["0.1.0"], null)).toContain("one minor apart");
  const plan = updatePlan(RELEASE, [], { operation: 1, nowMs: 0 });
  expect(holdBack("0.2.0", ["0.1.0"], plan)).toBeNull();
  expect(holdBack("0.2.0", ["0.1.0"], { ...plan, state: "reverted" })).toContain(
    "update plan 0.2.0",
  );
});
