/** This node's part in a rollout: what the plan asks of it, one thing after the other. Calls do not overlap. */

import type { NodeUpdateView, Release } from "../../domain/update/index.ts";

export interface NodePart {
  view(): NodeUpdateView;

  /**
   * Brings the release's core into the standby; nothing to do when it runs or waits there already. What was fetched
   * stays when it fails, and the next call goes on. Rejects with DISK_FULL, UNREACHABLE (no source has it all),
   * UPDATE_REFUSED (below the floor, or no such architecture), STATE_MISSING (this process has no slots).
   */
  stage(release: Release): Promise<void>;

  /**
   * Puts the staged core on trial: leadership and requests are handed over, then the process becomes the new core. Does
   * not return; rejects, and goes on as it is, when nothing is staged or the launcher is gone.
   */
  switchOver(): Promise<never>;

  /** `switchOver` to the core that was active before, whatever it was. */
  rollback(): Promise<never>;

  /**
   * Back to the core before, and the one that runs is refused for this reason, on trial or confirmed. Does not return;
   * rejects as `switchOver` does.
   */
  takeBack(reason: string): Promise<never>;

  /** No older state format may run here from now on: after all nodes confirmed the release. */
  finalise(stateFormat: number): Promise<void>;
}
