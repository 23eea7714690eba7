import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { errorCodeOf } from "../../base/index.ts";
import { confirmed, reverted, switched, withFloor, withStandby } from "./slot-changes.ts";
import {
  formatSlotRecord,
  NEVER_CHECKED,
  parseSlotRecord,
  SLOT_RECORD_SIZE_MAX,
  type SlotRecord,
} from "./slot-record.ts";

const hex = fc.stringMatching(/^[0-9a-f]{64}$/);
const word = fc.stringMatching(/^[!-,.-~][ -~]{0,30}[!-~]$/);
const small = fc.integer({ min: 0, max: 0xffff_ffff });
const stat = fc.record({
  sizeBytes: fc.bigInt({ min: 0n, max: 2n ** 63n }),
  mtimeNs: fc.bigInt({ min: 0n, max: 2n ** 63n }),
  inode: fc.bigInt({ min: 0n, max: 2n ** 63n }),
});
const core = fc.record({ sha256: hex, version: word, stateFormat: small });
const recordOf: fc.Arbitrary<SlotRecord> = fc
  .record({
    active: core,
    standby: fc.option(core, { nil: null }),
    state: fc.constantFrom("confirmed" as const, "trial" as const),
    boots: small,
    trialSinceMs: fc.maxSafeNat(),
    floor: small,
    payload: hex,
    refused: fc.option(hex, { nil: null }),
    reason: fc.option(word, { nil: null }),
    checkedActive: stat,
    checkedStandby: stat,
    unknown: fc.uniqueArray(fc.stringMatching(/^x[a-z]{1,8} [!-~]{1,20}$/), {
      maxLength: 5,
      selector: (line) => line.split(" ")[0],
    }),
  })
  .filter(({ active, standby }) => active.sha256 !== standby?.sha256);

function codeOf(text: string): string | undefined {
  try {
    parseSlotRecord(text);
  } catch (error) {
    return errorCodeOf(error);
  }
  return "accepted";
}

function resummed(text: string, change: (body: string) => string): string {
  const body = change(text.slice(0, text.lastIndexOf("sum ")));
  return `${body}sum ${createHash("sha256").update(body).digest("hex")}\n`;
}

const A = "a".repeat(64);
const B = "b".repeat(64);
const ONE: SlotRecord = {
  active: { sha256: A, version: "0.1.0", stateFormat: 1 },
  standby: null,
  state: "confirmed",
  boots: 0,
  trialSinceMs: 0,
  floor: 0,
  payload: A,
  refused: null,
  reason: null,
  checkedActive: NEVER_CHECKED,
  checkedStandby: NEVER_CHECKED,
  unknown: [],
};
const NEW = { sha256: B, version: "0.2.0", stateFormat: 1 };

describe("parseSlotRecord()", () => {
  test("reads back what formatSlotRecord() wrote, unknown lines included", () => {
    fc.assert(
      fc.property(recordOf, (record) => {
        const text = formatSlotRecord(record);
        expect(parseSlotRecord(text)).toEqual(record);
        expect(formatSlotRecord(parseSlotRecord(text))).toBe(text);
      }),
    );
  });

  test("reads the text that the launcher writes", () => {
    const text = formatSlotRecord(ONE);
    expect(text.split("\n").slice(0, -2).join("\n")).toBe(
      `mycelium-slots 1\nactive ${A}\nactive-version 0.1.0\nactive-format 1\nstandby -\n` +
        "standby-version -\nstandby-format 0\nstate confirmed\nboots 0\ntrial-since 0\nfloor 0\n" +
        `payload ${A}\nrefused -\nreason -\nchecked-active 0 0 0\nchecked-standby 0 0 0`,
    );
    expect(parseSlotRecord(text)).toEqual(ONE);
  });

  test("refuses every text in which one byte was changed, and every cut one", () => {
    const text = formatSlotRecord({ ...ONE, standby: NEW });
    for (let at = 0; at < text.length; at++) {
      const other = String.fromCharCode(text.charCodeAt(at) ^ 1);
      expect(codeOf(text.slice(0, at) + other + text.slice(at + 1))).toBe("STATE_CORRUPT");
      expect(codeOf(text.slice(0, at))).toBe("STATE_CORRUPT");
    }
  });

  test("refuses lines that are missing, twice, or hold something else, though the sum is right", () => {
    const text = formatSlotRecord(ONE);
    const lines = text.split("\n").slice(0, -2);
    for (const line of lines) {
      expect(codeOf(resummed(text, (body) => body.replace(`${line}\n`, "")))).toBe("STATE_CORRUPT");
      if (line === lines[0]) continue;
      expect(codeOf(resummed(text, (body) => `${body}${line}\n`))).toBe("STATE_CORRUPT");
    }
    for (const [from, to] of [
      ["state confirmed", "state odd"],
      ["boots 0", "boots -1"],
      ["boots 0", "boots 4294967296"],
      ["standby -", `standby ${A}`],
      [`payload ${A}`, "payload -"],
      ["checked-active 0 0 0", "checked-active 0 0"],
      ["slots 1", "slots 2"],
    ] as const) {
      expect(codeOf(resummed(text, (body) => body.replace(from, to)))).toBe("STATE_CORRUPT");
    }
  });

  test("whatever the text, it answers or refuses", () => {
    fc.assert(fc.property(fc.string(), (text) => void codeOf(text)));
    expect(codeOf("x".repeat(SLOT_RECORD_SIZE_MAX + 1))).toBe("STATE_CORRUPT");
  });

  test("a reason of any text and length becomes one line that can be read", () => {
    fc.assert(
      fc.property(fc.uint16Array({ maxLength: 700 }), (units) => {
        const reason = String.fromCharCode(...units);
        const read = parseSlotRecord(formatSlotRecord({ ...ONE, refused: B, reason }));
        expect(read.reason).toMatch(/^[ -~]{1,512}$/);
        expect(read.refused).toBe(B);
      }),
    );
  });
});

describe("the record's changes", () => {
  const staged = withStandby(ONE, NEW, { sizeBytes: 9n, mtimeNs: 8n, inode: 7n });

  test("a switch that is confirmed keeps the core before as the standby", () => {
    const trial = switched(staged, 1_234.5);
    expect(trial).toMatchObject({ active: NEW, standby: ONE.active, state: "trial", boots: 0 });
    expect(trial.trialSinceMs).toBe(1_234);
    expect(trial.checkedActive.inode).toBe(7n);
    expect(confirmed({ ...trial, boots: 2 })).toMatchObject({ state: "confirmed", boots: 0 });
  });

  test("a switch that is taken back is where it began, and remembers what and why", () => {
    const back = reverted({ ...switched(staged, 5), boots: 3 }, "it leaks");
    expect(back).toEqual({ ...staged, refused: B, reason: "it leaks" });
  });

  test("a refused core that is staged again is forgiven, another is not", () => {
    const back = reverted(switched(staged, 5), "it leaks");
    expect(withStandby(back, NEW, NEVER_CHECKED)).toMatchObject({ refused: null, reason: null });
    const other = { ...NEW, sha256: "c".repeat(64) };
    expect(withStandby(back, other, NEVER_CHECKED)).toMatchObject({ refused: B });
  });

  test("the floor never falls", () => {
    expect(withFloor(withFloor(ONE, 3), 2).floor).toBe(3);
  });

  test("nothing replaces the core that a trial would go back to", () => {
    const other = { ...NEW, sha256: "c".repeat(64) };
    expect(() => withStandby(switched(staged, 5), other, NEVER_CHECKED)).toThrow("trial");
  });
});
