/** Where a replica stands, in a line for failures. */

import { type Configuration, describeConfiguration } from "../../src/domain/raft/index.ts";
import type { GroupStatus } from "../../src/runtime/consensus/index.ts";
import type { Shard } from "../../src/runtime/store/index.ts";

export function describeReplica(parts: {
  readonly status: GroupStatus;
  readonly shard: ReturnType<Shard["status"]>;
  /** The leader's name. */
  readonly leader: string;
  readonly configuration: Configuration | null;
}): string {
  const { configuration, leader, shard, status } = parts;
  const { role, term, commitIndex, lastIndex, damagedUpTo, isInstalling } = status;
  const words = [
    `${role} in term ${term} of ${leader}`,
    `commit ${commitIndex} last ${lastIndex} applied ${shard.appliedIndex}`,
    damagedUpTo === null ? "" : `damaged up to ${damagedUpTo}`,
    isInstalling ? "installing" : "",
    shard.resyncing ? "resyncing" : "",
    ...shard.problems.map(({ what }) => what),
    configuration === null ? "" : `[${describeConfiguration(configuration)}]`,
  ];
  return words.filter((word) => word.length > 0).join(" ");
}
