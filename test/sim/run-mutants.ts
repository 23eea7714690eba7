/** Plants each bug in a copy of the source and runs seeds until one fails: proof that the net has no such hole. */

import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MUTANTS, type Mutant } from "./mutants.ts";
import { GROWING_SEEDS } from "./plan.ts";
import { runSeeds, type TimedReport } from "./run-seeds.ts";

/** Seeds tried on each mutant at most. */
const SEED_COUNT_MAX = 2_000;
const ALL_SEEDS = { first: 1, step: 1 };
const ROOT = join(import.meta.dir, "../..");

export interface MutantResult {
  readonly name: string;
  /** Null when it survived. */
  readonly caughtBy: string | null;
  readonly seed: number | null;
  readonly seedCount: number;
  readonly seconds: number;
  /** Why the mutant proves nothing: its patch does not apply, or it does not start. */
  readonly broken: string | null;
}

/** True when every mutant was caught. Prints a table. */
export async function runMutants(options: {
  readonly only: string | null;
  readonly processCount: number;
  /** Real time for each. */
  readonly timeLimitMs: number;
}): Promise<boolean> {
  const wanted = options.only?.split(",") ?? null;
  const chosen = MUTANTS.filter(({ name }) => wanted?.includes(name) ?? true);
  const results: MutantResult[] = [];
  const waiting = [...chosen];
  await Promise.all(
    Array.from({ length: Math.max(1, options.processCount) }, async () => {
      for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
        const result = await runMutant(mutant, options.timeLimitMs);
        results.push(result);
        console.log(rowOf(result));
      }
    }),
  );
  const caught = results.filter(({ caughtBy }) => caughtBy !== null);
  console.log(`${caught.length} of ${chosen.length} planted bugs caught`);
  return chosen.length > 0 && caught.length === chosen.length;
}

function rowOf(result: MutantResult): string {
  const { name, caughtBy, seed, seedCount, seconds, broken } = result;
  const told =
    broken !== null
      ? `BROKEN: ${broken.split("\n")[0]}`
      : caughtBy === null
        ? "SURVIVED"
        : `caught by seed ${seed}: ${caughtBy.split("\n")[0]?.slice(0, 110)}`;
  return `${name.padEnd(34)} ${String(seedCount).padStart(4)} seeds ${seconds.toFixed(1).padStart(6)} s  ${told}`;
}

async function runMutant(mutant: Mutant, timeLimitMs: number): Promise<MutantResult> {
  const startedMs = performance.now();
  const root = await mkdtemp(join(tmpdir(), "mycelium-mutant-"));
  try {
    const broken = await plant(mutant, root);
    const hunt = broken === null ? await huntIn(root, mutant, timeLimitMs) : NOT_HUNTED;
    const seconds = (performance.now() - startedMs) / 1_000;
    return { name: mutant.name, ...hunt, seconds, broken: broken ?? hunt.broken };
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

type Hunt = Omit<MutantResult, "name" | "seconds">;

const NOT_HUNTED: Hunt = { caughtBy: null, seed: null, seedCount: 0, broken: null };

/** Runs seeds until one fails that holds without the bug. */
async function huntIn(root: string, mutant: Mutant, timeLimitMs: number): Promise<Hunt> {
  const endMs = performance.now() + timeLimitMs;
  const { first, step } = mutant.needsGrowth === true ? GROWING_SEEDS : ALL_SEEDS;
  let seedCount = 0;
  while (seedCount < SEED_COUNT_MAX && performance.now() < endMs) {
    const failed: TimedReport[] = [];
    const { brokenBy, timedOut } = await runSeeds(
      {
        from: first + seedCount * step,
        count: SEED_COUNT_MAX - seedCount,
        step,
        processCount: 1,
        stopsAtFailure: true,
        root,
        timeLimitMs: Math.max(1, endMs - performance.now()),
      },
      (report) => {
        seedCount++;
        if (report.violation !== null) failed.push(report);
      },
    );
    if (brokenBy !== null) return { ...NOT_HUNTED, seedCount, broken: brokenBy };
    const [report] = failed;
    if (report !== undefined && (await holdsUnplanted(report.seed))) {
      return { caughtBy: report.violation, seed: report.seed, seedCount, broken: null };
    }
    if (timedOut) break;
  }
  return { ...NOT_HUNTED, seedCount };
}

async function holdsUnplanted(seed: number): Promise<boolean> {
  let holds = false;
  await runSeeds(
    {
      from: seed,
      count: 1,
      step: 1,
      processCount: 1,
      stopsAtFailure: true,
      root: ROOT,
      timeLimitMs: 0,
    },
    ({ violation }) => {
      holds = violation === null;
    },
  );
  return holds;
}

/** Null when planted, else why not. */
async function plant(mutant: Mutant, root: string): Promise<string | null> {
  await cp(join(ROOT, "src"), join(root, "src"), { recursive: true });
  await cp(join(ROOT, "test/sim"), join(root, "test/sim"), { recursive: true });
  await cp(join(ROOT, "package.json"), join(root, "package.json"));
  await cp(join(ROOT, "tsconfig.json"), join(root, "tsconfig.json"));
  await symlink(join(ROOT, "node_modules"), join(root, "node_modules"));
  for (const { file, find, replace } of mutant.patches) {
    const path = join(root, file);
    const source = await readFile(path, "utf8");
    const count = source.split(find).length - 1;
    if (count !== 1) return `the text to replace is ${count} times in ${file}`;
    await writeFile(
      path,
      source.replace(find, () => replace),
    );
  }
  return null;
}
