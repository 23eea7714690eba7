/** What a script learns from the exit status. Every command ends with 0 only on success. */

import { errorCodeOf } from "../base/index.ts";

export const EXIT = {
  ok: 0,
  /** Refused or failed, for the reason printed. */
  failed: 1,
  /** The command line or a setting is wrong. */
  usage: 2,
  /** No agent answers. */
  notRunning: 3,
  /** A bug of ours (sysexits.h EX_SOFTWARE). */
  bug: 70,
} as const;

/** For whatever a command threw. */
export function exitCodeOf(error: unknown): number {
  const code = errorCodeOf(error);
  if (code === undefined) return EXIT.bug;
  if (code === "BAD_ARGUMENT" || code === "BAD_CONFIG") return EXIT.usage;
  return code === "NOT_RUNNING" ? EXIT.notRunning : EXIT.failed;
}
