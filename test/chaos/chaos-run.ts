/** One run: a cluster, its clients, faults in an order drawn from the seed, and a verdict after each. */

import { SeededRandom } from "../../src/base/index.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { until } from "../cluster/processes.ts";
import { type Fault, type FaultContext, shuffled } from "./fault.ts";
import { SCHEMA } from "./statements.ts";
import { untilHealed, verifyHistory, verifyReplicas } from "./verify.ts";
import { Workload } from "./workload.ts";

export interface PlannedFault {
  readonly name: string;
  readonly fault: Fault;
  readonly count: number;
  /** Only on a network that is whole, and no other before it is whole again: beyond it, data may be lost rightly. */
  readonly alone?: boolean;
}

export interface ChaosOptions {
  readonly cluster: Cluster;
  readonly seed: number;
  /** How often each fault is made. */
  readonly plan: readonly PlannedFault[];
  readonly clientCount: number;
  readonly gapMs: number;
  readonly healTimeoutMs: number;
  /** No further fault is begun after this. */
  readonly deadlineMs: number;
  readonly print: (line: Readonly<Record<string, unknown>>) => void;
}

const TRACE_MAX = 400;
const VIOLATIONS_MAX = 10;
/** Replicas are compared whole after so many faults, and at the end. */
const COMPARE_EVERY = 25;
const PRINT_EVERY = 10;

export class ChaosRun {
  readonly violations: string[] = [];
  readonly #options: ChaosOptions;
  readonly #random: SeededRandom;
  readonly #workload: Workload;
  readonly #trace: string[] = [];
  readonly #done: Record<string, number> = {};
  readonly #gapsMs: Record<string, number> = {};
  readonly #startedMs = performance.now();

  constructor(options: ChaosOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#workload = new Workload({
      cluster: options.cluster,
      random: this.#random.fork(),
      clientCount: options.clientCount,
      gapMs: options.gapMs,
      violated: (what) => this.violated(what),
    });
  }

  violated(what: string): void {
    this.violations.push(what);
    if (this.violations.length > VIOLATIONS_MAX) return;
    const trace = this.#trace.slice(-12);
    this.#options.print({ violation: what, seed: this.#options.seed, trace });
  }

  /** Ends at the first violation. */
  async run(): Promise<Readonly<Record<string, unknown>>> {
    const { cluster, plan, deadlineMs, print } = this.#options;
    await this.#createTables();
    this.#workload.start();
    const faults = shuffled(
      this.#random,
      plan.flatMap((planned) => Array.from({ length: planned.count }, () => planned)),
    );
    const verify = this.#verifyOptions();
    for (const [i, planned] of faults.entries()) {
      if (this.violations.length > 0 || performance.now() > deadlineMs) break;
      await this.#make(planned);
      if ((i + 1) % COMPARE_EVERY === 0) await this.#compare();
      if ((i + 1) % PRINT_EVERY === 0) print(this.#summary());
    }
    if (this.violations.length === 0) {
      await untilHealed(verify);
      await verifyHistory(verify);
      await this.#compare();
    }
    await this.#workload.stop();
    if (this.violations.length === 0) await verifyHistory(verify);
    await cluster.stop();
    return this.#summary();
  }

  async #make({ name, fault, alone = false }: PlannedFault): Promise<void> {
    const verify = this.#verifyOptions();
    const { random, note } = this.#context();
    await Bun.sleep(random.below(500));
    this.#workload.longestGapMs = 0;
    note(`begin ${name}`);
    if (alone) await untilHealed(verify);
    if (alone) await verifyHistory(verify);
    await fault(this.#context());
    // Now and then the next fault comes before the last is healed.
    if (alone || random.below(4) > 0) {
      const healMs = await untilHealed(verify);
      note(`healed ${name} after ${Math.round(healMs)} ms`);
      await verifyHistory(verify);
    }
    this.#done[name] = (this.#done[name] ?? 0) + 1;
    this.#gapsMs[name] = Math.max(this.#gapsMs[name] ?? 0, Math.round(this.#workload.longestGapMs));
  }

  async #compare(): Promise<void> {
    const verify = this.#verifyOptions();
    await untilHealed(verify);
    await this.#workload.hold();
    await verifyReplicas(verify);
    this.#workload.release();
  }

  async #createTables(): Promise<void> {
    const [node] = this.#options.cluster.nodes;
    await until("the tables", async () => {
      const made = node && (await this.#workload.sql.run(node.target, SCHEMA));
      if (made?.kind === "ok") return true;
      throw new Error(JSON.stringify(made));
    });
  }

  #context(): FaultContext {
    const { cluster, healTimeoutMs } = this.#options;
    const violated = (what: string) => this.violated(what);
    const note = (what: string) => this.note(what);
    const [workload, random] = [this.#workload, this.#random];
    return { cluster, workload, random, healTimeoutMs, violated, note };
  }

  note(what: string): void {
    this.#trace.push(`${((performance.now() - this.#startedMs) / 1_000).toFixed(3)} ${what}`);
    if (this.#trace.length > TRACE_MAX) this.#trace.shift();
  }

  #verifyOptions() {
    const violated = (what: string) => this.violated(what);
    const { cluster, healTimeoutMs } = this.#options;
    return { cluster, workload: this.#workload, healTimeoutMs, violated };
  }

  #summary(): Readonly<Record<string, unknown>> {
    const { inserts, registers, counts, staleCount } = this.#workload;
    return {
      seed: this.#options.seed,
      seconds: Math.round((performance.now() - this.#startedMs) / 1_000),
      faults: this.#done,
      killed: this.#options.cluster.nodes.reduce((sum, node) => sum + node.killCount, 0),
      operations: counts,
      acknowledgedInserts: inserts.acknowledgedCount,
      unknownInserts: inserts.unknownCount,
      registerOperationsChecked: registers.checkedCount,
      undecided: registers.undecidedCount,
      lost: inserts.lostCount,
      stale: staleCount,
      longestWriteGapMs: this.#gapsMs,
      violations: this.violations.length,
    };
  }
}
