/** A state machine does not tell when it has applied the no-op that makes its leader ready: it is asked for a while. */

import type { GroupId } from "../../base/index.ts";
import type { Timer } from "../../ports/index.ts";
import type { GroupHost, HostedGroup } from "./hosted-group.ts";

/** How often to look. */
const READY_POLL_MS = 2;

export class ReadinessWatch {
  readonly #host: GroupHost;
  readonly #groups: ReadonlyMap<GroupId, HostedGroup>;
  #timer: Timer | null = null;

  constructor(host: GroupHost, groups: ReadonlyMap<GroupId, HostedGroup>) {
    this.#host = host;
    this.#groups = groups;
  }

  /** Call after each turn. */
  watch(): void {
    if (this.#timer !== null) return;
    const waiting = this.#waiting();
    if (waiting !== null) this.#lookLater(waiting);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** Null for none, as nearly always. */
  #waiting(): readonly HostedGroup[] | null {
    let waiting: HostedGroup[] | null = null;
    for (const group of this.#groups.values()) {
      if (!group.shouldPollReadiness()) continue;
      waiting ??= [];
      waiting.push(group);
    }
    return waiting;
  }

  #lookLater(waiting: readonly HostedGroup[]): void {
    this.#timer = this.#host.clock.after(READY_POLL_MS, () => {
      this.#timer = null;
      for (const group of waiting) this.#host.wake(group);
    });
  }
}
