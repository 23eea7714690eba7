/** Tells followers what is committed when no append did so in time: each commit takes a frame and two wake-ups less. */

import type { GroupId } from "../../base/index.ts";
import type { Timer } from "../../ports/index.ts";
import type { GroupHost, HostedGroup } from "./hosted-group.ts";

export class CommitNews {
  readonly #host: GroupHost;
  readonly #groups: ReadonlyMap<GroupId, HostedGroup>;
  #timer: Timer | null = null;

  constructor(host: GroupHost, groups: ReadonlyMap<GroupId, HostedGroup>) {
    this.#host = host;
    this.#groups = groups;
  }

  /** Call after each turn. */
  watch(): void {
    const { clock, settings } = this.#host;
    if (this.#timer !== null || settings.commitNewsMs === 0 || !this.#hasNews()) return;
    this.#timer = clock.after(settings.commitNewsMs, this.#tell);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #hasNews(): boolean {
    for (const { node } of this.#groups.values()) if (node.hasCommitNews) return true;
    return false;
  }

  readonly #tell = (): void => {
    this.#timer = null;
    for (const group of this.#groups.values()) {
      if (!group.node.hasCommitNews) continue;
      group.node.tellCommits();
      this.#host.wake(group);
    }
  };
}
