/**
 * The configurations in a replica's log. A replica uses the latest one it holds, committed or not (Raft thesis 4.1),
 * and goes back to the one before when the entry is truncated.
 */

import { assert, type LogIndex, present } from "../../base/index.ts";
import { type Configuration, decodeConfiguration } from "./configuration.ts";
import type { LogEntry, SnapshotMeta } from "./entry.ts";
import type { RaftLog } from "./raft-log.ts";

const SCAN_BYTES_MAX = 1_048_576;

export interface ConfigurationAt {
  readonly index: LogIndex;
  readonly configuration: Configuration;
}

export class ConfigurationHistory {
  /** Ascending; the first one is the snapshot's or an older one that still holds there. */
  #known: ConfigurationAt[];

  constructor(snapshot: SnapshotMeta) {
    this.#known = [configurationOf(snapshot)];
  }

  get latest(): ConfigurationAt {
    return present(this.#known.at(-1), "the latest configuration");
  }

  /** All in the log after a restart. PERF: reads the whole log once, which compaction keeps short. */
  scan(log: RaftLog): void {
    let from = (log.snapshot.index + 1) as LogIndex;
    while (from <= log.lastIndex) {
      const entries = log.entries(from, log.lastIndex, SCAN_BYTES_MAX);
      assert(entries.length > 0, `the log does not hold entry ${from}`);
      this.append(entries);
      from = (from + entries.length) as LogIndex;
    }
  }

  /** Takes note of entries that were appended; their predecessors from the first one's index on are gone. */
  append(entries: readonly LogEntry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    if (this.latest.index >= first.index) {
      this.#known = this.#known.filter((known) => known.index < first.index);
      assert(this.#known.length > 0, `configuration of the snapshot truncated at ${first.index}`);
    }
    for (const entry of entries) {
      if (entry.kind !== "configuration") continue;
      this.#known.push({
        index: entry.index,
        configuration: decodeConfiguration(entry.payload),
      });
    }
  }

  /** The configuration in force at an index that is not cut away. */
  at(index: LogIndex): Configuration {
    const found = this.#known.findLast((known) => known.index <= index);
    return present(found, `the configuration at ${index}`).configuration;
  }

  /** Forgets what was in force only before `index`. */
  compact(index: LogIndex): void {
    const keep = this.#known.findLastIndex((known) => known.index <= index);
    if (keep > 0) this.#known.splice(0, keep);
  }

  reset(snapshot: SnapshotMeta): void {
    this.#known = [configurationOf(snapshot)];
  }
}

function configurationOf(snapshot: SnapshotMeta): ConfigurationAt {
  return { index: snapshot.index, configuration: decodeConfiguration(snapshot.configuration) };
}
