/**
 * A node in a rollout. Each round: read the plan -> if this node leads, step it, or propose one -> check it -> report
 * how far this node is -> do what the plan asks. Rounds do not overlap; staging and the switch go on beside them.
 *
 * A switch is claimed on the very plan that grants it, before anything is stopped; and a node that sees for itself
 * that a quorum would be lost with it does not claim, whatever the leader said.
 */

import { equalBytes, errorCodeOf, messageOf, type NodeId } from "../../base/index.ts";
import type { NodeKey } from "../../domain/identity/index.ts";
import {
  type Architecture,
  dutyOf,
  encodeReport,
  hasEnded,
  type NodeFacts,
  type NodeProblem,
  type NodeReport,
  planNode,
  type Release,
  type RolloutPlan,
  reportOf,
} from "../../domain/update/index.ts";
import type { Clock, Logger, Timer } from "../../ports/index.ts";
import type { NodePart } from "./node-part.ts";
import type { ReleaseCheck } from "./release-check.ts";
import type { ReleaseWatch } from "./release-watch.ts";
import type { RolloutAccess } from "./rollout-access.ts";
import type { RolloutLeader } from "./rollout-leader.ts";
import type { RolloutRows } from "./rollout-store.ts";
import { openReports, signReport } from "./signed-report.ts";

export interface RolloutLoopOptions {
  readonly key: NodeKey;
  readonly arch: Architecture;
  readonly sqlite: string;
  readonly access: RolloutAccess;
  readonly part: NodePart;
  readonly watch: ReleaseWatch;
  readonly check: ReleaseCheck;
  /** Null on nodes that hold no replica of `system`: they never lead, and look for news by themselves. */
  readonly leader: RolloutLeader | null;
  readonly leads: () => boolean;
  /** Whether a release that is found is proposed without being told. */
  readonly proposes: boolean;
  readonly windowOpen: () => boolean;
  /** The plan under which this node last went down for a switch; durable when `record` returns. */
  readonly attempt: { read(): string | null; record(plan: string): void };
  /** Whether every quorum stays without this node, as it sees the others itself. */
  readonly canBeSpared: () => boolean;
  /** Whether a copy is just being fetched in place of data that differed: its end would be forgotten by a restart. */
  readonly isMending: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onChange: () => void;
  readonly onFatal: (error: unknown) => void;
}

const ROUND_MS = 1_000;
/** Where nothing tells of a change, or somebody else has to do something: how often to look. */
const ASK_MS = 10_000;
const WAITS: ReadonlySet<RolloutPlan["state"]> = new Set(["proposed", "paused"]);
/** Reports of mere progress are not sent more often. */
const PROGRESS_MS = 5_000;
/** After a staging or a return that failed. */
const RETRY_MS = 15_000;

/** Then a version goes back although its data is still being mended: perhaps it cannot do that either. */
const MENDING_MS = 300_000;

export class RolloutLoop {
  readonly #options: RolloutLoopOptions;
  readonly #self: NodeId;
  #rows: RolloutRows | null = null;
  #round: Promise<void> | null = null;
  #again = false;
  #stopped = false;
  #timer: Timer | null = null;
  #busy: "staging" | "switching" | null = null;
  #retryAfterMs = 0;
  #returnsSinceMs: number | null = null;
  #progressAfterMs = 0;
  /** A switch that did not come about: under that plan it is not tried again. */
  #failed: { readonly plan: string; readonly reason: string } | null = null;

  constructor(options: RolloutLoopOptions) {
    this.#options = options;
    this.#self = options.key.nodeId;
  }

  /** The plan and the reports as this node last read them. */
  rows(): RolloutRows | null {
    return this.#rows;
  }

  /** What nodes last said of themselves, as far as they signed it. */
  reports(): ReadonlyMap<NodeId, NodeReport> {
    return openReports(this.#rows?.reports ?? []);
  }

  /** For who asks right after a change: `rows` has it then. Throws what a strong read does. */
  async refresh(): Promise<void> {
    this.#rows = await this.#options.access.read("strong");
  }

  wake(): void {
    if (this.#stopped) return;
    this.#again = true;
    this.#round ??= this.#rounds().finally(() => {
      this.#round = null;
      if (this.#again) this.wake();
      else this.#schedule();
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** What this node would report of itself, for a plan or none. */
  ownReport(plan: RolloutPlan | null, problem: NodeProblem | null = null): NodeReport {
    return reportOf(plan, this.#facts(), problem);
  }

  async #rounds(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      try {
        await this.#turn();
      } catch (error) {
        if (this.#stopped) return;
        if (errorCodeOf(error) === undefined) return this.#options.onFatal(error);
        this.#options.logger.debug("rollout round failed, will retry", {
          reason: messageOf(error),
        });
      }
    }
  }

  #schedule(): void {
    this.#timer?.cancel();
    if (this.#stopped) return;
    const plan = this.#rows?.plan;
    const isQuiet = plan === undefined || (hasEnded(plan) && this.#isThrough(plan));
    if (isQuiet && this.#options.leader !== null) return;
    const isWaiting = plan === undefined || plan.reason !== "" || WAITS.has(plan.state);
    const isIdle = this.#busy === null && (plan === undefined || !this.#returnsFrom(plan));
    const delayMs = isQuiet || (isWaiting && isIdle) ? ASK_MS : ROUND_MS;
    this.#timer = this.#options.clock.after(delayMs, () => this.wake());
  }

  /** Nothing more comes of it: neither here nor, if this node leads, anywhere. */
  #isThrough(plan: RolloutPlan): boolean {
    if (this.#busy !== null || this.#options.part.view().phase === "trial") return false;
    if (this.#returnsFrom(plan)) return false;
    if (plan.state !== "done") return true;
    return plan.nodes.every(({ phase }) => ["healthy", "offline", "unable"].includes(phase));
  }

  #returnsFrom(plan: RolloutPlan): boolean {
    return dutyOf(plan, this.#facts()) === "takeBack";
  }

  async #turn(): Promise<void> {
    const { access, leader, leads, onChange } = this.#options;
    this.#rows = await access.read();
    if (leader !== null && leads()) await this.#lead(leader);
    const rows = this.#rows;
    if (rows !== null && this.#busy !== "switching") await this.#take(rows);
    onChange();
  }

  async #lead(leader: RolloutLeader): Promise<void> {
    const { logger, proposes, watch } = this.#options;
    if (this.#rows !== null && (await leader.drive(this.#rows))) {
      this.#rows = await this.#options.access.read();
    }
    const plan = this.#rows?.plan ?? null;
    if (plan !== null && !hasEnded(plan)) {
      watch.keepVersion(plan.version);
      return;
    }
    if (!proposes || watch.latest === null) return;
    const version = leader.nextVersion(watch.latest.version, await watch.versions());
    if (version === null || (plan?.version === version && plan.kind === "update")) return;
    const release = version === watch.latest.version ? watch.latest : await watch.release(version);
    if (release === null) return;
    const refusal = await leader.propose(release, this.ownReport(null), plan, false);
    if (refusal === null) this.#again = true;
    else logger.debug("no rollout is proposed", { version, reason: refusal });
  }

  async #take(rows: RolloutRows): Promise<void> {
    const { part } = this.#options;
    const { plan } = rows;
    const facts = this.#facts();
    const verdict = await this.#judge(plan, facts);
    const problem = verdict.ok ? null : verdict.problem;
    const report = reportOf(plan, facts, problem);
    await this.#report(rows, report);
    if (problem !== null) return;
    const duty = dutyOf(plan, facts);
    if (duty === "finalise") await part.finalise(plan.stateFormat);
    if (duty === "takeBack") this.#takeBack(plan);
    if (duty === "stage" && verdict.ok && verdict.release !== null) this.#stage(verdict.release);
    // What was judged before this node changed (its operator installed the release meanwhile) is no order to go back.
    const isJudged = verdict.ok && (verdict.release !== null || plan.kind === "rollback");
    if (duty === "switch" && isJudged) await this.#switch(rows, report, verdict.release);
  }

  /** What is judged, reported and done in one round goes by the same facts. */
  async #judge(plan: RolloutPlan, facts: NodeFacts) {
    const { check } = this.#options;
    const isAsked = ["approved", "rolling", "paused", "done"].includes(plan.state);
    const report = reportOf(plan, facts, null);
    if (!isAsked || ["healthy", "switched", "reverted"].includes(report.phase)) {
      return { ok: true, release: null } as const;
    }
    if (this.#failed?.plan === plan.id) {
      return { ok: false, problem: { reason: this.#failed.reason, isFinal: true } } as const;
    }
    return check.check(plan, facts.view.standby?.coreSha256 ?? null);
  }

  #facts(): NodeFacts {
    const { arch, attempt, part, sqlite, windowOpen } = this.#options;
    const attempted = attempt.read();
    const view = part.view();
    return { node: this.#self, arch, sqlite, view, attempted, windowOpen: windowOpen() };
  }

  /** What is in the store is what counts: a report whose fate is unknown is compared with it, and sent again. */
  async #report(rows: RolloutRows, report: NodeReport): Promise<void> {
    const { access, clock, key } = this.#options;
    const stored = rows.reports.find(({ node }) => node === this.#self);
    if (stored !== undefined && equalBytes(stored.part.payload, encodeReport(report))) return;
    const before = stored === undefined ? undefined : openReports([stored]).get(this.#self);
    const nowMs = clock.monotonicMs();
    const isProgress = before?.plan === report.plan && before.phase === report.phase;
    if (isProgress && before.reason === report.reason && nowMs < this.#progressAfterMs) return;
    this.#progressAfterMs = nowMs + PROGRESS_MS;
    await access.report(signReport(key, report, this.#nextSeq(rows)));
  }

  /** Above all that this node said before, also in an earlier life and with another clock. */
  #nextSeq(rows: RolloutRows): number {
    const stored = rows.reports.find(({ node }) => node === this.#self)?.seq ?? 0;
    return Math.max(stored + 1, this.#options.clock.wallMs());
  }

  #stage(release: Release): void {
    const { clock, logger, part } = this.#options;
    if (this.#busy !== null || clock.monotonicMs() < this.#retryAfterMs) return;
    this.#begin("staging", part.stage(release), (reason) => {
      this.#retryAfterMs = clock.monotonicMs() + RETRY_MS;
      logger.warn("the release was not staged, will retry", { version: release.version, reason });
    });
  }

  /** Nobody grants it: the plan has ended, and no other switch is under way. */
  #takeBack(plan: RolloutPlan): void {
    const { canBeSpared, clock, isMending, logger, part } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#returnsSinceMs ??= nowMs;
    if (isMending() && nowMs - this.#returnsSinceMs < MENDING_MS) return;
    if (this.#busy !== null || nowMs < this.#retryAfterMs || !canBeSpared()) return;
    const why = planNode(plan, this.#self)?.reason ?? plan.reason;
    this.#begin("switching", part.takeBack(why), (reason) => {
      this.#retryAfterMs = clock.monotonicMs() + RETRY_MS;
      logger.error("this node could not go back, will retry", { version: plan.version, reason });
    });
  }

  async #switch(rows: RolloutRows, report: NodeReport, release: Release | null): Promise<void> {
    const { access, attempt, canBeSpared, key, logger, part } = this.#options;
    if (this.#busy !== null || !canBeSpared()) return;
    // Found in the standby after a restart of this process: only named as what is to be switched to.
    if (release !== null) await part.stage(release);
    const draining: NodeReport = { ...report, phase: "draining", reason: "" };
    const claimed = await access.claim(signReport(key, draining, this.#nextSeq(rows)), rows);
    if (!claimed) {
      this.#again = true;
      return;
    }
    const { id, version } = rows.plan;
    attempt.record(id);
    logger.info("this node's turn in the rollout", { version });
    this.#begin("switching", release === null ? part.rollback() : part.switchOver(), (reason) => {
      this.#failed = { plan: id, reason };
      logger.error("this node could not switch", { version, reason });
    });
  }

  #begin(
    what: "staging" | "switching",
    work: Promise<void>,
    failed: (reason: string) => void,
  ): void {
    this.#busy = what;
    work
      .catch((error) => {
        if (this.#stopped) return;
        if (errorCodeOf(error) === undefined) return this.#options.onFatal(error);
        failed(messageOf(error));
      })
      .finally(() => {
        this.#busy = null;
        this.wake();
      });
  }
}
