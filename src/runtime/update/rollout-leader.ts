/**
 * What the leader of shard `system` does for rollouts: makes a plan for a new release, opens the decision on it, and
 * steps the plan that is there. It alone approves nothing: every node checks the certificate.
 */

import { formatDurationMs, type NodeId } from "../../base/index.ts";
import { certificateOf, type DecisionLog, encodeCertificate } from "../../domain/trust/index.ts";
import {
  type Comparison,
  comparedCanary,
  hasEnded,
  isCurrent,
  type NodeReport,
  nextVersion,
  planNode,
  type Release,
  type RolloutPlan,
  type RolloutWorld,
  stepRollout,
  updatePlan,
  type Verdict,
  versionProblem,
} from "../../domain/update/index.ts";
import type { Clock, Logger } from "../../ports/index.ts";
import type { RolloutRows, RolloutStore } from "./rollout-store.ts";
import { openReports } from "./signed-report.ts";

/** The network's decisions, as the loop that takes part in them offers them. */
export interface Decisions {
  log(): DecisionLog;
  open(
    kind: "release" | "rollback",
    subject: string,
    times: { readonly commitMs: number; readonly revealMs: number },
  ): Promise<number>;
}

/** What the leader sees of the network. */
export type Surroundings = Pick<
  RolloutWorld,
  "leader" | "leaders" | "groups" | "away" | "members" | "unseenMs"
>;

export interface RolloutLeaderOptions {
  readonly store: RolloutStore;
  readonly decisions: Decisions;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly surroundings: () => Surroundings;
  /** Whether a node's data is the majority's, as far as is known; what is not is found out from then on. */
  readonly compare: (node: NodeId, plan: string) => Comparison;
  /** Versions that members run, this node's among them. */
  readonly running: () => readonly string[];
}

/** Operators have a week; whoever votes by itself does not wait for it. */
export const DECISION_TIMES = { commitMs: 7 * 86_400_000, revealMs: 30_000 } as const;

export class RolloutLeader {
  readonly #options: RolloutLeaderOptions;
  /** Since when, on this clock, a node stands as it does in the plan. */
  readonly #standing = new Map<NodeId, { readonly what: string; readonly sinceMs: number }>();
  /** Releases that this leader has found to be planned before. */
  readonly #known = new Set<string>();
  #planId = "";

  constructor(options: RolloutLeaderOptions) {
    this.#options = options;
  }

  /** One step of the plan. True when it was replaced. */
  async drive(rows: RolloutRows): Promise<boolean> {
    const { store, logger } = this.#options;
    const { plan } = rows;
    const next = stepRollout(plan, this.#world(rows));
    if (next === plan || !(await store.replace(next, rows))) return false;
    if (next.state !== plan.state) {
      const { version, state, reason } = next;
      logger.info("the rollout goes on", { version, state, reason });
    }
    return true;
  }

  /** On the way to what the channel is at; null when there is no step to it, or none is needed. */
  nextVersion(channel: string, known: readonly string[]): string | null {
    const running = this.#options.running();
    if (running.every((version) => version === channel)) return null;
    return nextVersion(running, channel, known);
  }

  /** Makes a plan for a release that was never planned. Null, or why there is none. */
  async propose(
    release: Release,
    own: NodeReport,
    latest: RolloutPlan | null,
    byOperator: boolean,
  ): Promise<string | null> {
    const { decisions, clock, logger, running, store } = this.#options;
    if (latest !== null && !hasEnded(latest))
      return `the rollout of ${latest.version} is under way`;
    const isEverywhere = running().every((version) => version === release.version);
    if (isEverywhere && isCurrent(release, [own]))
      return `all nodes run ${release.version} already`;
    const apart = versionProblem(release.version, running());
    if (apart !== null) return apart;
    if (!byOperator && (await this.#wasPlanned(release.digest))) {
      return `there was a rollout of ${release.version} before; \`mycelium update plan\` begins another`;
    }
    await store.makeTables();
    const operation = await decisions.open("release", release.version, DECISION_TIMES);
    const plan = updatePlan(release, [own], { operation, nowMs: clock.wallMs() });
    if (!(await store.create(plan))) return "another plan was made at the same moment; try again";
    this.#known.add(release.digest);
    logger.info("a rollout is proposed", { version: release.version, operation });
    return null;
  }

  async #wasPlanned(digest: string): Promise<boolean> {
    if (!this.#known.has(digest) && (await this.#options.store.wasPlanned(digest))) {
      this.#known.add(digest);
    }
    return this.#known.has(digest);
  }

  #world({ plan, reports }: RolloutRows): RolloutWorld {
    const { compare, surroundings } = this.#options;
    const canary = comparedCanary(plan);
    return {
      ...surroundings(),
      comparison: canary === null ? { result: "open" } : compare(canary, plan.id),
      reports: openReports(reports),
      stillMs: (node) => this.#stillMs(plan, node),
      verdict: this.#verdict(plan),
    };
  }

  /** Every leader counts by itself, from when it first looks: later than another would, never earlier. */
  #stillMs(plan: RolloutPlan, node: NodeId): number {
    if (plan.id !== this.#planId) this.#standing.clear();
    this.#planId = plan.id;
    const { phase, granted, progress } = planNode(plan, node) ?? {};
    const what = `${phase} ${granted} ${progress}`;
    const nowMs = this.#options.clock.monotonicMs();
    const known = this.#standing.get(node);
    if (known?.what === what) return nowMs - known.sinceMs;
    this.#standing.set(node, { what, sinceMs: nowMs });
    return 0;
  }

  #verdict(plan: RolloutPlan): Verdict {
    const decision = this.#options.decisions.log().decision(plan.operation);
    const outcome = decision?.outcome ?? null;
    if (decision === undefined || outcome === null) return { result: "open" };
    if (outcome.value === plan.digest) {
      const certificate = certificateOf(decision);
      return certificate === null
        ? { result: "open" }
        : { result: "decided", certificate: encodeCertificate(certificate) };
    }
    const { needed, total } = decision.bound;
    const weight = outcome.parts
      .filter(({ part }) => part === "for")
      .reduce((sum, one) => sum + one.weight, 0);
    const reasons = outcome.parts.filter(({ reason }) => reason !== "").map(({ reason }) => reason);
    const why = reasons.length === 0 ? "" : `: ${[...new Set(reasons)].join("; ")}`;
    const how =
      outcome.result === "timedOut"
        ? `not enough voted within ${formatDurationMs(DECISION_TIMES.commitMs)}`
        : "it was voted down";
    return {
      result: "rejected",
      reason: `${how}: weight ${weight} of ${total} was for it, needed ${needed}${why}`,
    };
  }
}
