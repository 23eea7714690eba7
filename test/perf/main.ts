/**
 * `bun run perf [BENCH ...] [--against rqlite,etcd] [--rounds 5] [--seconds 3] [--idle-seconds 60] [--kills 20]`
 * `bun run perf start update updateMany [--rounds 1] [--small] [--nodes 20]`: of the shipped file, only when named;
 * --small compresses as for a release.
 *
 * Figures as JSON lines: one a bench, round and system, then one a bench with the medians and, with rivals, the
 * ratios of our median to theirs. The systems run in turns, never at once, with the same client and node count.
 */

import { parseArgs } from "node:util";
import { BENCHES, type BenchOptions, type Figures } from "./benches.ts";
import { median, round } from "./closed-loop.ts";
import type { Contender } from "./contender.ts";
import { Etcd } from "./etcd.ts";
import { Mycelium } from "./mycelium.ts";
import { Rqlite } from "./rqlite.ts";
import { UPDATE_BENCHES } from "./update.ts";

const NODE_COUNT = 3;
const FORMATION = "formation";
const RIVALS: Readonly<Record<string, () => Contender>> = {
  rqlite: () => new Rqlite(),
  etcd: () => new Etcd(),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    against: { type: "string", default: "" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
    "idle-seconds": { type: "string", default: "60" },
    kills: { type: "string", default: "20" },
    small: { type: "boolean", default: false },
    nodes: { type: "string", default: "20" },
  },
});

const options: BenchOptions = {
  durationMs: Number(values.seconds) * 1_000,
  idleMs: Number(values["idle-seconds"]) * 1_000,
  killCount: Number(values.kills),
};
const usual = [FORMATION, ...Object.keys(BENCHES)];
const known = [...usual, ...Object.keys(UPDATE_BENCHES)];
const names = positionals.length === 0 ? usual : positionals;
const unknown = names.find((name) => !known.includes(name));
if (unknown !== undefined) throw new Error(`no bench ${unknown}; there are: ${known.join(", ")}`);
const comparesSystems = names.some((name) => usual.includes(name));
const makers = [
  () => new Mycelium() as Contender,
  ...values.against.split(",").filter(Boolean).map(makerOf),
];

const all = new Map<string, Figures[]>();
for (let at = 0; at < Number(values.rounds); at++) {
  for (const name of names) {
    const figures = UPDATE_BENCHES[name]?.({
      isSmall: values.small,
      manyNodes: Number(values.nodes),
    });
    if (figures !== undefined) record(name, "mycelium", at, await figures);
  }
  if (!comparesSystems) continue;
  // Each round begins with another system, so that none always runs on a machine warmed by the same other.
  for (let i = 0; i < makers.length; i++) {
    const maker = makers[(at + i) % makers.length];
    if (maker !== undefined) await runRound(maker(), at);
  }
}
for (const name of names) printMedians(name);

function makerOf(name: string): () => Contender {
  const maker = RIVALS[name];
  if (maker === undefined)
    throw new Error(`no rival ${name}; there are: ${Object.keys(RIVALS).join(", ")}`);
  return maker;
}

async function runRound(contender: Contender, at: number): Promise<void> {
  try {
    const formed = await contender.start(NODE_COUNT);
    if (names.includes(FORMATION))
      record(FORMATION, contender.name, at, { firstWriteMs: round(formed.firstWriteMs) });
    for (const name of names) {
      const bench = BENCHES[name];
      if (bench !== undefined) record(name, contender.name, at, await bench(contender, options));
    }
  } finally {
    await contender.stop();
  }
}

function record(bench: string, system: string, at: number, figures: Figures): void {
  console.log(JSON.stringify({ bench, system, round: at, ...figures }));
  const key = `${bench} ${system}`;
  all.set(key, [...(all.get(key) ?? []), figures]);
}

function mediansOf(bench: string, system: string): Figures {
  const rounds = all.get(`${bench} ${system}`) ?? [];
  const keys = Object.keys(rounds[0] ?? {});
  return Object.fromEntries(
    keys.map((key) => [key, round(median(rounds.map((figures) => figures[key] ?? Number.NaN)))]),
  );
}

function printMedians(bench: string): void {
  const ours = mediansOf(bench, "mycelium");
  console.log(JSON.stringify({ bench, system: "mycelium", median: ours }));
  for (const rival of values.against.split(",").filter(Boolean)) {
    const theirs = mediansOf(bench, rival);
    const ratios = Object.entries(ours).flatMap(([key, value]) => {
      const other = theirs[key];
      return other === undefined ? [] : [[key, round(value / other)] as const];
    });
    console.log(JSON.stringify({ bench, system: rival, median: theirs }));
    console.log(
      JSON.stringify({ bench, ratio: `mycelium/${rival}`, ...Object.fromEntries(ratios) }),
    );
  }
}
