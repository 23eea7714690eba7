/** What a group's log begins with. */

import { asLogIndex, asTerm } from "../../base/index.ts";
import { type Configuration, EMPTY_CONFIGURATION, encodeConfiguration } from "./configuration.ts";
import { BOOTSTRAP_INDEX, type SnapshotMeta } from "./entry.ts";

/** The same on all founders: the first configuration, over the empty state. */
export function bootstrapSnapshot(configuration: Configuration): SnapshotMeta {
  return {
    index: BOOTSTRAP_INDEX,
    term: asTerm(1),
    configuration: encodeConfiguration(configuration),
  };
}

/** Of a replica that waits for the leader of a group that is there already. */
export function emptySnapshot(): SnapshotMeta {
  return {
    index: asLogIndex(0),
    term: asTerm(0),
    configuration: encodeConfiguration(EMPTY_CONFIGURATION),
  };
}
