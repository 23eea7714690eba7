/**
 * Keeps room on the disk: below the reserve a leader's writes are refused with SQLITE_FULL, and one statement cannot
 * eat into it, because the file's page count is limited. Committed entries are never limited.
 */

import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { SqlError } from "../../domain/sql/index.ts";
import { SQLITE_FULL, sqlError } from "./sql-error.ts";

const CHECKED_EVERY_MS = 500;
const PAGE_COUNT_MAX = 0xffff_fffe;
/** A page may be in the WAL and in the file. */
const COPIES_PER_PAGE = 2;

export class DiskReserve {
  readonly #db: DatabaseSync;
  readonly #directory: string;
  readonly #reserveBytes: number;
  readonly #pageSizeBytes: number;
  #checkedAtMs = Number.NEGATIVE_INFINITY;
  #freeBytes = 0;
  #isLimited = false;

  constructor(db: DatabaseSync, path: string, reserveBytes: number) {
    this.#db = db;
    this.#directory = dirname(path);
    this.#reserveBytes = reserveBytes;
    this.#pageSizeBytes = pragmaNumber(db, "page_size");
  }

  /** PERF: asks the disk twice a second at most. */
  isLow(): boolean {
    if (this.#reserveBytes === 0) return false;
    const nowMs = performance.now();
    if (nowMs - this.#checkedAtMs >= CHECKED_EVERY_MS) {
      this.#checkedAtMs = nowMs;
      const disk = statfsSync(this.#directory);
      this.#freeBytes = disk.bavail * disk.bsize;
      this.#limit();
    }
    return this.#freeBytes < this.#reserveBytes;
  }

  /** No limit: for entries that are committed already. */
  lift(): void {
    if (!this.#isLimited) return;
    this.#db.exec(`PRAGMA max_page_count = ${PAGE_COUNT_MAX}`);
    this.#isLimited = false;
    this.#checkedAtMs = Number.NEGATIVE_INFINITY;
  }

  error(): SqlError {
    return sqlError(
      SQLITE_FULL,
      `database or disk is full: ${this.#freeBytes} bytes are free and ${this.#reserveBytes} are kept in reserve; free some space`,
    );
  }

  #limit(): void {
    const roomBytes = Math.max(0, this.#freeBytes - this.#reserveBytes);
    const pages = Math.floor(roomBytes / (COPIES_PER_PAGE * this.#pageSizeBytes));
    const pageCount = pragmaNumber(this.#db, "page_count") + pages;
    this.#db.exec(`PRAGMA max_page_count = ${Math.min(pageCount, PAGE_COUNT_MAX)}`);
    this.#isLimited = true;
  }
}

function pragmaNumber(db: DatabaseSync, name: string): number {
  return Number((db.prepare(`PRAGMA ${name}`).get() as unknown as [bigint])[0]);
}
