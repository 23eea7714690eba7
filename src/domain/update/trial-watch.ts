/**
 * Judges a core on trial by what is looked at now and then: one that stays healthy is confirmed, one that is broken or
 * stays unhealthy is taken back, and so is one that proves itself in no time. What was wrong before it started is not
 * its fault.
 */

export interface TrialLimits {
  /** Healthy for so long without a break: confirmed. */
  readonly confirmAfterMs: number;
  /** Between two looks: what a look finds may have begun so long before. */
  readonly lookEveryMs: number;
  /** Unhealthy for perhaps so long without a break: taken back. */
  readonly unhealthyForMs: number;
  /** Neither by then: taken back. */
  readonly deadlineMs: number;
  readonly memoryMaxBytes: number;
}

export interface HealthSample {
  readonly nowMs: number;
  readonly memoryBytes: number;
  /** What is wrong, one line each. */
  readonly faults: readonly string[];
  /** What waiting does not mend: a store or log that is damaged or cannot be used. */
  readonly critical: readonly string[];
}

export type TrialVerdict =
  | { readonly kind: "wait" | "confirm" }
  | { readonly kind: "revert"; readonly reason: string };

/** What the core before left for the next one's judge. */
export interface HealthBefore {
  readonly version: string;
  readonly faults: readonly string[];
  readonly memoryBytes: number;
}

const MEMORY_GROWTH_MAX = 3;
const MEMORY_MAX_LEAST_BYTES = 300 * 1_048_576;

/** Where no setting says it. */
export function trialMemoryMax(before: HealthBefore | null): number {
  return Math.max(MEMORY_MAX_LEAST_BYTES, MEMORY_GROWTH_MAX * (before?.memoryBytes ?? 0));
}

export class TrialWatch {
  readonly #limits: TrialLimits;
  readonly #known: ReadonlySet<string>;
  readonly #startMs: number;
  #healthySinceMs: number | null = null;
  #unhealthySinceMs: number | null;

  /** It counts as unhealthy until the first look that says otherwise. */
  constructor(limits: TrialLimits, before: HealthBefore | null, nowMs: number) {
    this.#limits = limits;
    this.#known = new Set((before?.faults ?? []).map(withoutFigures));
    this.#startMs = nowMs;
    this.#unhealthySinceMs = nowMs;
  }

  look(sample: HealthSample): TrialVerdict {
    const { confirmAfterMs, deadlineMs, lookEveryMs, memoryMaxBytes, unhealthyForMs } =
      this.#limits;
    const { nowMs, memoryBytes } = sample;
    const [broken] = this.#fresh(sample.critical);
    if (broken !== undefined) return revert(broken);
    if (memoryBytes > memoryMaxBytes) {
      return revert(
        `it uses ${mib(memoryBytes)} MiB of memory, at most ${mib(memoryMaxBytes)} MiB`,
      );
    }
    const faults = this.#fresh(sample.faults);
    if (faults.length === 0) {
      this.#unhealthySinceMs = null;
      this.#healthySinceMs ??= nowMs;
      if (nowMs - this.#healthySinceMs >= confirmAfterMs) return { kind: "confirm" };
    } else {
      this.#healthySinceMs = null;
      this.#unhealthySinceMs ??= nowMs - lookEveryMs;
      const forMs = nowMs - this.#unhealthySinceMs;
      if (forMs >= unhealthyForMs) return revert(`unhealthy for ${seconds(forMs)} s: ${faults[0]}`);
    }
    if (nowMs - this.#startMs < deadlineMs) return { kind: "wait" };
    return revert(
      `not confirmed within ${seconds(deadlineMs)} s: ${faults[0] ?? "its health comes and goes"}`,
    );
  }

  #fresh(found: readonly string[]): readonly string[] {
    return found.filter((one) => !this.#known.has(withoutFigures(one)));
  }
}

function revert(reason: string): TrialVerdict {
  return { kind: "revert", reason };
}

/** "main is 812 entries behind here" is the same fault as with 700. */
function withoutFigures(fault: string): string {
  return fault.replace(/\d+/g, "#");
}

function seconds(ms: number): number {
  return Math.round(ms / 1_000);
}

function mib(sizeBytes: number): number {
  return Math.round(sizeBytes / 1_048_576);
}
