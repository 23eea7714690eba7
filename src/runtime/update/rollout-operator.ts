/** What an operator can do to rollouts, on any validator. Each throws what prevents it, with what to do. */

import { MyceliumError, type NodeId } from "../../base/index.ts";
import {
  commandRollout,
  coresOfVersion,
  hasEnded,
  type NodeReport,
  type Release,
  type RolloutCommand,
  type RolloutPlan,
  rollbackPlan,
} from "../../domain/update/index.ts";
import type { Clock } from "../../ports/index.ts";
import type { ReleaseWatch } from "./release-watch.ts";
import { DECISION_TIMES, type Decisions, type RolloutLeader } from "./rollout-leader.ts";
import type { RolloutStore } from "./rollout-store.ts";
import type { RolloutVoter } from "./rollout-voter.ts";
import { openReports } from "./signed-report.ts";

export interface RolloutOperatorOptions {
  readonly store: RolloutStore;
  readonly leader: RolloutLeader;
  readonly decisions: Decisions;
  readonly voter: RolloutVoter;
  readonly watch: ReleaseWatch;
  readonly clock: Clock;
  readonly ownReport: () => NodeReport;
  /** Something was decided or changed here: rounds follow. */
  readonly wake: () => void;
}

/** A leader that steps the plan at the same moment is tried again so often. */
const ATTEMPTS_MAX = 20;

export class RolloutOperator {
  readonly #options: RolloutOperatorOptions;

  constructor(options: RolloutOperatorOptions) {
    this.#options = options;
  }

  /** Looks for a release now. */
  async check(): Promise<Release | null> {
    const found = await this.#options.watch.check();
    this.#options.wake();
    return found;
  }

  /** Proposes a rollout of a version, or of what the channel is at. */
  async plan(version: string | null): Promise<void> {
    const { leader, ownReport, store, wake, watch } = this.#options;
    const latest = watch.latest ?? (await watch.check());
    if (version !== null && (await watch.release(version)) === null) await watch.check();
    const release = version === null ? latest : await watch.release(version);
    if (release === null) {
      const what =
        version === null ? "the channel names none" : `no verified metadata names ${version}`;
      throw new MyceliumError(
        "UPDATE_REFUSED",
        `Cannot plan a rollout: ${what}; \`mycelium update check\` looks again and says what is wrong`,
      );
    }
    const current = (await store.read("strong"))?.plan ?? null;
    const refusal = await leader.propose(release, ownReport(), current, true);
    if (refusal !== null) throw refused("plan", refusal);
    wake();
  }

  /** This node votes for the version from now on. */
  async approve(version: string): Promise<RolloutPlan> {
    const { store, voter, wake } = this.#options;
    const rows = await store.read("strong");
    if (rows === null || rows.plan.version !== version) {
      const found = rows === null ? "there is none" : `the latest is of ${rows.plan.version}`;
      throw refused("approve", `no rollout of ${version} is proposed: ${found}`);
    }
    if (rows.plan.state !== "proposed") {
      throw refused("approve", `the rollout of ${version} is ${rows.plan.state} already`);
    }
    voter.approve(version);
    wake();
    return rows.plan;
  }

  async command(command: RolloutCommand): Promise<RolloutPlan> {
    const { store, wake } = this.#options;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const rows = await store.read("strong");
      if (rows === null) throw refused(command, "there is no rollout");
      const verdict = commandRollout(rows.plan, command);
      if (!verdict.ok) throw refused(command, verdict.reason);
      if (await store.replace(verdict.plan, rows)) {
        wake();
        return verdict.plan;
      }
    }
    throw new MyceliumError(
      "OVERLOADED",
      `Cannot ${command} the rollout: it changed ${ATTEMPTS_MAX} times meanwhile; try again`,
    );
  }

  /** Back to a version that is in the slots of the named nodes; null: of all that have it. Typing it approves it here. */
  async rollback(version: string, only: readonly NodeId[] | null): Promise<void> {
    const { clock, decisions, store, voter, wake } = this.#options;
    const rows = await store.read("strong");
    if (rows === null) throw refused("roll back", "there was no rollout yet");
    const reports = [...openReports(rows.reports).values()];
    const concerned = reports.filter(({ node }) => only === null || only.includes(node));
    const cores = coresOfVersion(version, concerned);
    if (cores.length === 0) throw notHeld(version, concerned);
    const nodes = only ?? holders(version, concerned);
    if (!hasEnded(rows.plan)) await this.command("abort");
    voter.approve(version);
    const operation = await decisions.open("rollback", version, DECISION_TIMES);
    const channel = rows.plan.channel;
    const plan = rollbackPlan(
      { version, channel, cores, only: nodes },
      { operation, nowMs: clock.wallMs() },
    );
    if (!(await store.create(plan))) {
      throw refused("roll back", "another plan was made at the same moment; try again");
    }
    wake();
  }
}

function holders(version: string, reports: readonly NodeReport[]): readonly NodeId[] {
  return reports
    .filter((one) => one.version === version || one.standbyVersion === version)
    .map(({ node }) => node);
}

function notHeld(version: string, reports: readonly NodeReport[]): MyceliumError {
  const held = new Set(reports.flatMap((one) => one.standbyVersion ?? []));
  const others = held.size === 0 ? "none" : [...held].join(", ");
  return new MyceliumError(
    "BAD_ARGUMENT",
    `Cannot roll back to ${version}: the nodes do not hold it (or hold different builds of it) in their slots; they ` +
      `hold ${others}`,
  );
}

function refused(action: string, reason: string): MyceliumError {
  return new MyceliumError(
    "UPDATE_REFUSED",
    `Cannot ${action}: ${reason}; see \`mycelium update status\``,
  );
}
