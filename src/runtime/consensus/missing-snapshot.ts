/** After a restart: whether a log lacks the snapshot that its state machine was made from. */

import type { SnapshotMeta } from "../../domain/raft/index.ts";
import type { LogStore, RecoveredGroup } from "../../ports/index.ts";

/**
 * True when the process ended between the two, so that the log must be replaced by the snapshot. Also when the log
 * is longer: an entry of another term at that index conflicts with what was committed.
 */
export function isMissing(
  logStore: LogStore,
  log: RecoveredGroup,
  installed: SnapshotMeta,
): boolean {
  if (installed.index <= log.snapshot.index) return false;
  return logStore.termOf(log.group, installed.index) !== installed.term;
}
