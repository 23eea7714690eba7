/**
 * The record of the slots: which core is active, on trial, or was taken back. The launcher (C) and the core read and
 * write the same text, at most 4 KiB, under a lock, always whole: what neither knows is kept as it is, and the last line
 * is the SHA-256 of all before it.
 */

import { createHash } from "node:crypto";
import { assert, MyceliumError } from "../../base/index.ts";

/** One of at most two cores, as the record has it. */
export interface SlotCore {
  /** 64 hexadecimal digits; its file is "core-" and these. */
  readonly sha256: string;
  readonly version: string;
  /** What it writes into the state directory; never below the record's floor. */
  readonly stateFormat: number;
}

/** The stat for which a core's SHA-256 was verified; all zero when it must be verified before its next use. */
export interface CheckedStat {
  readonly sizeBytes: bigint;
  readonly mtimeNs: bigint;
  readonly inode: bigint;
}

export interface SlotRecord {
  readonly active: SlotCore;
  readonly standby: SlotCore | null;
  readonly state: "confirmed" | "trial";
  /** Starts of the active core while on trial. */
  readonly boots: number;
  /** Unix milliseconds; 0 unless on trial. */
  readonly trialSinceMs: number;
  /** Lowest state format that may run here: raised at finalisation, never lowered. */
  readonly floor: number;
  /** The core of the shipped file that the launcher last saw. */
  readonly payload: string;
  /** The core that was taken back, not tried again until an operator or a new plan says so. */
  readonly refused: string | null;
  /** Why; null when nothing was taken back. */
  readonly reason: string | null;
  readonly checkedActive: CheckedStat;
  readonly checkedStandby: CheckedStat;
  /** Lines of a newer launcher or core, kept. */
  readonly unknown: readonly string[];
}

export const NEVER_CHECKED: CheckedStat = { sizeBytes: 0n, mtimeNs: 0n, inode: 0n };
export const SLOT_RECORD_SIZE_MAX = 4_096;
/** So long may a reason be, in bytes: the record must stay below its limit. */
const REASON_SIZE_MAX = 512;
const VERSION_SIZE_MAX = 64;
const HEAD = "mycelium-slots 1";
const NONE = "-";
const SHA256 = /^[0-9a-f]{64}$/;
const NUMBER_MAX = 0xffff_ffff;

/** Ends with a line feed. Text that does not fit a line is cut. */
export function formatSlotRecord(record: SlotRecord): string {
  const { active, standby } = record;
  const lines = [
    HEAD,
    `active ${active.sha256}`,
    `active-version ${lineOf(active.version, VERSION_SIZE_MAX)}`,
    `active-format ${active.stateFormat}`,
    `standby ${standby?.sha256 ?? NONE}`,
    `standby-version ${standby === null ? NONE : lineOf(standby.version, VERSION_SIZE_MAX)}`,
    `standby-format ${standby?.stateFormat ?? 0}`,
    `state ${record.state}`,
    `boots ${record.boots}`,
    `trial-since ${record.trialSinceMs}`,
    `floor ${record.floor}`,
    `payload ${record.payload}`,
    `refused ${record.refused ?? NONE}`,
    `reason ${record.reason === null ? NONE : lineOf(record.reason, REASON_SIZE_MAX)}`,
    `checked-active ${statLine(record.checkedActive)}`,
    `checked-standby ${statLine(record.checkedStandby)}`,
    ...record.unknown,
  ];
  const body = `${lines.join("\n")}\n`;
  const text = `${body}sum ${sumOf(body)}\n`;
  assert(Buffer.byteLength(text) <= SLOT_RECORD_SIZE_MAX, "a slot record is at most 4 KiB");
  return text;
}

/** Throws STATE_CORRUPT that says what is wrong: the launcher then makes a new one from the cores that are whole. */
export function parseSlotRecord(text: string): SlotRecord {
  if (Buffer.byteLength(text) > SLOT_RECORD_SIZE_MAX) throw corrupt("over 4 KiB");
  const body = checkedBody(text);
  const [head, ...lines] = body.slice(0, -1).split("\n");
  if (head !== HEAD) throw corrupt(`the head "${head?.slice(0, 40)}", needed "${HEAD}"`);
  const fields = new FieldReader(lines);
  const active = present(fields.core("active"), "active");
  const record: SlotRecord = {
    active,
    standby: fields.core("standby"),
    state: fields.state(),
    boots: fields.number("boots"),
    trialSinceMs: fields.number("trial-since", Number.MAX_SAFE_INTEGER),
    floor: fields.number("floor"),
    payload: present(fields.sha256("payload"), "payload"),
    refused: fields.sha256("refused"),
    reason: fields.optional("reason"),
    checkedActive: fields.stat("checked-active"),
    checkedStandby: fields.stat("checked-standby"),
    unknown: fields.rest(),
  };
  if (record.standby?.sha256 === active.sha256) throw corrupt("one core in both slots");
  return record;
}

/** All lines but the last, whose sum must be theirs. */
function checkedBody(text: string): string {
  const match = /^((?:[^\n]*\n)+)sum ([0-9a-f]{64})\n$/.exec(text);
  if (match === null) throw corrupt("no sum at its end");
  const [, body = "", sum = ""] = match;
  if (sumOf(body) !== sum) throw corrupt("a sum that is not that of its lines");
  return body;
}

/** "key value" lines, each key once. */
class FieldReader {
  readonly #values = new Map<string, string>();

  constructor(lines: readonly string[]) {
    for (const line of lines) {
      const space = line.indexOf(" ");
      const key = space < 0 ? line : line.slice(0, space);
      if (this.#values.has(key)) throw corrupt(`${key.slice(0, 40)} twice`);
      this.#values.set(key, space < 0 ? "" : line.slice(space + 1));
    }
  }

  core(name: string): SlotCore | null {
    const sha256 = this.sha256(name);
    const version = this.#take(`${name}-version`);
    const stateFormat = this.number(`${name}-format`);
    return sha256 === null ? null : { sha256, version, stateFormat };
  }

  sha256(key: string): string | null {
    const value = this.#take(key);
    if (value === NONE) return null;
    if (!SHA256.test(value)) throw corrupt(`${key}: no SHA-256`);
    return value;
  }

  optional(key: string): string | null {
    const value = this.#take(key);
    return value === NONE ? null : value;
  }

  number(key: string, max = NUMBER_MAX): number {
    return numberOf(key, this.#take(key), max);
  }

  state(): "confirmed" | "trial" {
    const value = this.#take("state");
    if (value === "confirmed" || value === "trial") return value;
    throw corrupt("state: neither confirmed nor trial");
  }

  stat(key: string): CheckedStat {
    const match = /^(\d{1,20}) (\d{1,20}) (\d{1,20})$/.exec(this.#take(key));
    if (match === null) throw corrupt(`${key}: no size, time and inode`);
    const [sizeBytes = 0n, mtimeNs = 0n, inode = 0n] = match.slice(1).map(BigInt);
    return { sizeBytes, mtimeNs, inode };
  }

  /** What nobody asked for, as lines. */
  rest(): readonly string[] {
    return [...this.#values].map(([key, value]) => (value === "" ? key : `${key} ${value}`));
  }

  #take(key: string): string {
    const value = this.#values.get(key);
    if (value === undefined || value === "") throw corrupt(`no ${key}`);
    this.#values.delete(key);
    return value;
  }
}

function numberOf(key: string, text: string, max: number): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value <= max) return value;
  throw corrupt(`${key}: no number up to ${max}`);
}

function statLine({ sizeBytes, mtimeNs, inode }: CheckedStat): string {
  return `${sizeBytes} ${mtimeNs} ${inode}`;
}

/** One line of printable ASCII, not empty and not "-", which means none. */
function lineOf(text: string, sizeMax: number): string {
  const line = text
    .replace(/[^ -~]+/g, " ")
    .trim()
    .slice(0, sizeMax)
    .trimEnd();
  return line === "" || line === NONE ? "unknown" : line;
}

function sumOf(body: string): string {
  return createHash("sha256").update(body).digest("hex");
}

function present<T>(value: T | null, key: string): T {
  if (value === null) throw corrupt(`no ${key}`);
  return value;
}

function corrupt(found: string): MyceliumError {
  return new MyceliumError(
    "STATE_CORRUPT",
    `Cannot read the record of the slots: found ${found}; the launcher makes a new one at the next start`,
  );
}
