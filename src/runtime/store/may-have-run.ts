/** What an error of a call to the leader says about the call. */

import { MyceliumError } from "../../base/index.ts";

const NOTHING_DONE = new Set(["NOT_LEADER", "OVERLOADED"]);
const DONE_OR_NOT = new Set(["OUTCOME_UNKNOWN", "TIMEOUT", "UNREACHABLE", "CLOSED"]);

/** False when the call was certainly not carried out: refused, or never sent. */
export function mayHaveRun(error: unknown): boolean {
  if (!(error instanceof MyceliumError)) return true;
  if (NOTHING_DONE.has(error.code) || error.details["sent"] === false) return false;
  return DONE_OR_NOT.has(error.code);
}
