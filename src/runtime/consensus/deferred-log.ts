/** Stands for a group until it is made: a state machine is given its log before there is a replica. */

import { type LogIndex, present } from "../../base/index.ts";
import type { GroupLog } from "../../ports/index.ts";

export class DeferredLog implements GroupLog {
  group: GroupLog | null = null;

  leadership = () => this.#opened().leadership();
  propose = (payload: Uint8Array) => this.#opened().propose(payload);
  readIndex = (timeoutMs: number) => this.#opened().readIndex(timeoutMs);
  metaAt = (index: LogIndex) => this.#opened().metaAt(index);
  commitIndex = () => this.#opened().commitIndex();
  compact = (durableIndex: LogIndex) => this.#opened().compact(durableIndex);
  handOver = (reason: string) => this.#opened().handOver(reason);
  weights = () => this.#opened().weights();

  #opened(): GroupLog {
    return present(this.group, "the group of a log that is used before it is open");
  }
}
