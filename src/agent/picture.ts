/** What every part of a node says of itself at one moment: what status and problems are made from. */

import type { GroupId } from "../base/index.ts";
import type { NodeState, Status, UpdateStatus } from "../domain/api/index.ts";
import type { Grant, Network } from "../domain/identity/index.ts";
import type { LinkStatus } from "../ports/index.ts";
import type { ConsensusStatus } from "../runtime/consensus/index.ts";
import type { Member } from "../runtime/membership/index.ts";
import type { StoreStatus } from "../runtime/store/index.ts";
import type { Links } from "./links.ts";

export interface ShardPicture {
  readonly id: GroupId;
  readonly store: StoreStatus;
  readonly sizeBytes: number;
}

export interface Picture {
  readonly network: Network;
  readonly grant: Grant;
  readonly state: NodeState;
  readonly uptimeMs: number;
  readonly consensus: ConsensusStatus;
  readonly shards: readonly ShardPicture[];
  readonly members: readonly Member[];
  readonly links: Links;
  readonly linkStatuses: readonly LinkStatus[];
  readonly listen: Status["listen"];
  readonly spores: Status["spores"];
  readonly stateDirectory: string;
  readonly diskFreeBytes: number;
  readonly diskReserveBytes: number;
  readonly clockOffMs: number | null;
  readonly memoryBytes: number;
  readonly update: UpdateStatus;
  /** Why the launcher is not that of the running release; null while it is. */
  readonly launcherProblem: string | null;
}
