/**
 * The launcher's parsers and filters against their counterparts in TypeScript, under AddressSanitizer and UBSan, and a
 * short fuzz run of them. A long one: `bun run fuzz:launcher --rounds 10000000`.
 */

import { beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { filterBranches, type Machine } from "../../../build/branch-filter.ts";
import { packShipped, TRAILER_SIZE } from "../../../build/launcher.ts";
import {
  formatSlotRecord,
  parseSlotRecord,
  type SlotRecord,
} from "../../../src/domain/update/index.ts";
import { askParts } from "./frames.ts";
import { BUILD_TIMEOUT_MS } from "./launcher-lab.ts";
import { buildParts } from "./native-program.ts";

const FUZZ_ROUNDS = 5_000;
/** One seed each run: a fault that another seed finds gets a case of its own. */
const SEED = 1;
const ELF_MACHINES: Readonly<Record<Machine, number>> = { x64: 62, arm64: 183 };
let parts: string;

beforeAll(async () => {
  parts = await buildParts();
}, BUILD_TIMEOUT_MS);

const sha256 = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString("hex"));
const number = fc.nat(0xffff_ffff);
const core = fc.record({
  sha256,
  version: fc.stringMatching(/^[0-9a-z.+-]{1,30}$/).filter((text) => text !== "-"),
  stateFormat: number,
});
const checked = fc.record({
  sizeBytes: fc.bigInt(0n, 2n ** 64n - 1n),
  mtimeNs: fc.bigInt(0n, 2n ** 64n - 1n),
  inode: fc.bigInt(0n, 2n ** 64n - 1n),
});
const NO_CHECK = { sizeBytes: 0n, mtimeNs: 0n, inode: 0n };
const record: fc.Arbitrary<SlotRecord> = fc
  .record({
    active: core,
    standby: fc.option(core),
    state: fc.constantFrom("confirmed" as const, "trial" as const),
    boots: number,
    trialSinceMs: fc.nat(Number.MAX_SAFE_INTEGER),
    floor: number,
    payload: sha256,
    refused: fc.option(sha256),
    reason: fc.option(fc.stringMatching(/^[a-z][ -~]{0,80}[a-z]$/)),
    checkedActive: checked,
    checkedStandby: checked,
    unknown: fc.uniqueArray(fc.stringMatching(/^x-[a-z]{1,8} [ -~]{0,20}[a-z]$/), {
      maxLength: 4,
      selector: (line) => line.split(" ")[0],
    }),
  })
  .map((one) => (one.standby === null ? { ...one, checkedStandby: NO_CHECK } : one));

/** A change of the text, with a sum that fits it again. */
const damaged = fc
  .tuple(
    record,
    fc.nat(),
    fc.nat(),
    fc.constantFrom("", " ", "\n", "-", "0", "x", "active ", "reason\n"),
  )
  .map(([one, at, length, word]) => {
    const body = formatSlotRecord(one).split("sum ")[0] ?? "";
    const start = at % body.length;
    const text = body.slice(0, start) + word + body.slice(start + (length % 4));
    return `${text}sum ${createHash("sha256").update(text).digest("hex")}\n`;
  });

function isAccepted(text: string): boolean {
  try {
    parseSlotRecord(text);
    return true;
  } catch {
    return false;
  }
}

describe("the record of the slots", () => {
  test("what the core writes the launcher reads and writes again, byte for byte", async () => {
    const texts = fc.sample(record, { numRuns: 500, seed: SEED }).map(formatSlotRecord);
    const answers = await askParts(
      parts,
      "record",
      texts.map((text) => Buffer.from(text)),
    );
    expect(answers.map((bytes) => Buffer.from(bytes).toString())).toEqual(texts);
  });

  test("what one of them refuses the other refuses", async () => {
    const texts = fc.sample(damaged, { numRuns: 2_000, seed: SEED });
    const answers = await askParts(
      parts,
      "record",
      texts.map((text) => Buffer.from(text)),
    );
    for (const [i, text] of texts.entries()) {
      const isRefused = answers[i]?.[0] === "!".charCodeAt(0);
      expect({ text, isAccepted: !isRefused }).toEqual({ text, isAccepted: isAccepted(text) });
    }
    expect(texts.some(isAccepted)).toBe(true);
    expect(texts.every(isAccepted)).toBe(false);
  });
});

test("the trailer that the build writes is read, and none that is changed or of another file", async () => {
  const shipped = packShipped({
    launcher: Buffer.from("launcher"),
    core: Buffer.from("core"),
    machine: "x64",
    version: "1.2.3-rc.1",
    stateFormat: 7,
    compression: "small",
  });
  const trailer = Buffer.from(shipped.subarray(-TRAILER_SIZE));
  const ask = (bytes: Uint8Array, fileSize: number) => {
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(fileSize));
    return Buffer.concat([size, bytes]);
  };
  const flipped = Array.from({ length: TRAILER_SIZE }, (_, i) => {
    const copy = Buffer.from(trailer);
    copy.writeUInt8(copy.readUInt8(i) ^ 0x10, i);
    return ask(copy, shipped.length);
  });
  const others = [0, TRAILER_SIZE, shipped.length - 1, shipped.length + 1].map((size) =>
    ask(trailer, size),
  );
  const [good, ...bad] = await askParts(parts, "trailer", [
    ask(trailer, shipped.length),
    ...flipped,
    ...others,
  ]);
  expect(Buffer.from(good ?? []).toString()).toBe("1.2.3-rc.1 7");
  expect(bad.filter((answer) => answer[0] !== "!".charCodeAt(0))).toEqual([]);
});

test("the branch filter is undone, whatever the bytes", async () => {
  const opcodes = fc.constantFrom(0xe8, 0xe9, 0x94, 0x97, 0x90, 0xb0, 0xf0, 0x00, 0xff);
  const code = fc
    .array(fc.oneof(opcodes, fc.nat(255)), { maxLength: 400 })
    .map((bytes) => Uint8Array.from(bytes));
  const machine = fc.constantFrom<Machine>("x64", "arm64");
  const samples = fc.sample(fc.tuple(machine, code), { numRuns: 1_000, seed: SEED });
  const filtered = samples.map(([name, bytes]) => {
    const copy = Uint8Array.from(bytes);
    filterBranches(name, copy);
    return Buffer.concat([Uint8Array.of(ELF_MACHINES[name], 0), copy]);
  });
  const answers = await askParts(parts, "filter", filtered);
  for (const [i, [name, bytes]] of samples.entries()) {
    expect({ name, bytes: Buffer.from(answers[i] ?? []) }).toEqual({
      name,
      bytes: Buffer.from(bytes),
    });
  }
  expect(
    filtered.some((one, i) => !one.subarray(2).equals(Buffer.from(samples[i]?.[1] ?? []))),
  ).toBe(true);
});

test("SHA-256 is that of node:crypto, in portable code and by the processor", async () => {
  const samples = fc.sample(fc.uint8Array({ maxLength: 2_000 }), { numRuns: 300, seed: SEED });
  const answers = await askParts(parts, "hash", samples);
  for (const [i, bytes] of samples.entries()) {
    const digest = createHash("sha256").update(bytes).digest("hex");
    expect(Buffer.from(answers[i] ?? []).toString("hex")).toBe(digest);
  }
});

test("the state and the boot are taken from the words", async () => {
  const cases: readonly [readonly string[], string][] = [
    [["run"], "boot -"],
    [["run", "--state", "/s"], "boot /s"],
    [["run", "--state=/s", "--port", "1"], "boot /s"],
    [["run", "--background"], "command -"],
    [["run", "--state", "--background"], "boot --background"],
    [["run", "-h"], "command -"],
    [["run", "--", "--state=/s", "--help"], "boot -"],
    [["status", "--state", "/s"], "command /s"],
    [["--state", "/s", "run"], "command /s"],
    [["run", "--state"], "boot -"],
    [["runs"], "command -"],
    [[], "command -"],
  ];
  const questions = cases.map(([words]) => Buffer.from(words.map((word) => `${word}\0`).join("")));
  const answers = await askParts(parts, "arguments", questions);
  expect(answers.map((answer) => Buffer.from(answer).toString())).toEqual(
    cases.map(([, answer]) => answer),
  );
});

test("a trial has its time once, however often it is started, whatever the clock says", async () => {
  const cases: readonly (readonly [string, string])[] = [
    ["1 1000000 9000000 300", "300"],
    ["2 1000000 1000999 300", "300"],
    ["2 1000000 1100000 300", "200"],
    ["2 1000000 1179999 300", "121"],
    ["3 1000000 1299999 300", "120"],
    ["3 1000000 99999999999999 300", "120"],
    ["3 1000000 500000 300", "300"],
    ["3 1000000 -5 300", "300"],
    ["2 18446744073709551615 1 300", "300"],
    ["2 0 1000 1", "0"],
    ["2 0 9000 86400", "86391"],
  ];
  const questions = cases.map(([words]) => Buffer.from(words));
  const answers = await askParts(parts, "trial-time", questions);
  expect(answers.map((answer) => Buffer.from(answer).toString())).toEqual(
    cases.map(([, answer]) => answer),
  );
});

test("fuzzed records, trailers and cores are read or refused, and nothing else happens", () => {
  const { exitCode, stdout, stderr } = Bun.spawnSync([parts, "fuzz", "1", String(FUZZ_ROUNDS)]);
  expect({ exitCode, error: stderr.toString() }).toEqual({ exitCode: 0, error: "" });
  expect(stdout.toString()).toContain(`${FUZZ_ROUNDS} rounds`);
});
