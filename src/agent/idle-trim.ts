/**
 * Gives memory back while the node is idle: garbage when it has become so after being busy, and again when much has
 * piled up since; pages of the executable that are not in use twice a minute. Collecting throws compiled code away,
 * which costs the CPU that an idle node is to save, and makes the first second of the next load slow: so it is not done
 * for little, nor in a short pause. What was dropped may have to come from a slow disk, so it is not done to a node that
 * somebody uses, however little.
 */

import type { Clock, Timer } from "../ports/index.ts";

const INTERVAL_MS = 15_000;
/** Less than this share of a core is idle, if nothing was written. */
const IDLE_SHARE = 0.1;
/** Checks of tables and announcements are nobody's use. */
const QUIET_ENTRIES_MAX = 8;
/** So many looks in a row: a shorter pause is part of being busy. */
const PAUSE_LOOKS = 3;
/** While idle, every so many looks. */
const DROP_EVERY = 2;
/** More than after the last collection. */
const PILE_BYTES = 12_000_000;

/** This process's memory and time. */
export interface OwnProcess {
  collectGarbage(): void;
  dropFilePages(): void;
  residentBytes(): number;
  /** CPU time used so far. */
  cpuMs(): number;
  /** Entries of the logs so far. */
  entryCount(): number;
}

export class IdleTrim {
  readonly #clock: Clock;
  readonly #process: OwnProcess;
  #cpuMs: number;
  #entryCount: number;
  #timer: Timer;
  /** Idle looks since the node was busy, or since pages were dropped. */
  #idleCount = 0;
  /** Resident after the last collection, without the executable's pages; null while the node was busy since. */
  #leanBytes: number | null = null;

  constructor(clock: Clock, own: OwnProcess) {
    this.#clock = clock;
    this.#process = own;
    this.#cpuMs = own.cpuMs();
    this.#entryCount = own.entryCount();
    this.#timer = clock.after(INTERVAL_MS, () => this.#look());
  }

  stop(): void {
    this.#timer.cancel();
  }

  #look(): void {
    const cpuMs = this.#process.cpuMs();
    const entryCount = this.#process.entryCount();
    const isQuiet = entryCount - this.#entryCount <= QUIET_ENTRIES_MAX;
    const isIdle = isQuiet && cpuMs - this.#cpuMs < INTERVAL_MS * IDLE_SHARE;
    this.#cpuMs = cpuMs;
    this.#entryCount = entryCount;
    if (isIdle) this.#idle();
    else this.#busy();
    this.#timer = this.#clock.after(INTERVAL_MS, () => this.#look());
  }

  #busy(): void {
    this.#leanBytes = null;
    this.#idleCount = 0;
  }

  #idle(): void {
    if (++this.#idleCount < (this.#leanBytes === null ? PAUSE_LOOKS : DROP_EVERY)) return;
    this.#idleCount = 0;
    const own = this.#process;
    own.dropFilePages();
    if (this.#leanBytes !== null && own.residentBytes() < this.#leanBytes + PILE_BYTES) return;
    own.collectGarbage();
    own.dropFilePages();
    this.#leanBytes = own.residentBytes();
  }
}
