/** The shell's history: a file of the user's own (0600), one entry a line, oldest first. */

import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

export const HISTORY_COUNT_MAX = 1_000;

export function defaultHistoryFile(): string {
  return join(homedir(), ".mycelium_sql_history");
}

/** Newest first, as node:readline wants it. Empty when there is no readable file. */
export function readHistory(file: string): string[] {
  try {
    const lines = readFileSync(file, "utf8").split("\n");
    return lines
      .filter((line) => line !== "")
      .reverse()
      .slice(0, HISTORY_COUNT_MAX);
  } catch (error) {
    if (isFileError(error)) return [];
    throw error;
  }
}

/** False when the file cannot be written: a shell works without. */
export function writeHistory(file: string, newestFirst: readonly string[]): boolean {
  const lines = newestFirst.slice(0, HISTORY_COUNT_MAX).toReversed();
  try {
    writeFileSync(file, lines.map((line) => `${line}\n`).join(""), { mode: 0o600 });
    chmodSync(file, 0o600);
    return true;
  } catch (error) {
    if (isFileError(error)) return false;
    throw error;
  }
}

function isFileError(error: unknown): boolean {
  return error instanceof Error && "code" in error && "syscall" in error;
}
