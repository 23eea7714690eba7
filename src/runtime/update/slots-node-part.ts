/** The node's part on real slots: stages, switches over, goes back, and says where it is. */

import { MyceliumError, messageOf } from "../../base/index.ts";
import type {
  HealthBefore,
  NodePhase,
  NodeUpdateView,
  Release,
  ReleaseTarget,
  StagingProgress,
} from "../../domain/update/index.ts";
import type { SlotStore, SlotsView } from "../../ports/index.ts";
import type { Health } from "./health-watch.ts";
import type { NodePart } from "./node-part.ts";
import { type StagingParts, stageRelease } from "./stage-release.ts";

export interface SlotsNodePartOptions extends Omit<StagingParts, "slots"> {
  /** Null where this process was started without the launcher. */
  readonly slots: SlotStore | null;
  readonly version: string;
  health(): Promise<Health>;
  /** Kept for the next core's judge, durably. */
  saveBefore(before: HealthBefore): void;
  /** Throws when this process cannot become the launcher: it must be known before anything is stopped. */
  checkLauncher(): void;
  /** Stops the agent and becomes what the record says is active. */
  restart(): void;
}

export class SlotsNodePart implements NodePart {
  readonly #options: SlotsNodePartOptions;
  #doing: "staging" | "draining" | null = null;
  #staging: StagingProgress | null = null;
  /** The standby that was staged for its turn; any other is the core before. */
  #staged: string | null = null;
  #problem: string | null = null;

  constructor(options: SlotsNodePartOptions) {
    this.#options = options;
  }

  view(): NodeUpdateView {
    const { slots, version } = this.#options;
    const nothing = { standby: null, refused: null, floor: 0, staging: this.#staging };
    if (slots === null) {
      const running = { version, coreSha256: null };
      return { phase: "none", running, ...nothing, problem: this.#problem };
    }
    const record = readable(slots);
    if (record instanceof MyceliumError) {
      return {
        phase: this.#doing ?? "idle",
        running: { version, coreSha256: null },
        ...nothing,
        problem: record.message,
      };
    }
    const { active, standby, refused, floor } = record;
    return {
      phase: this.#phase(record),
      running: { version, coreSha256: record.running },
      standby: standby && { version: standby.version, coreSha256: standby.sha256 },
      refused: refused && { coreSha256: refused.sha256, reason: refused.reason },
      floor,
      staging: this.#staging,
      problem:
        this.#problem ??
        (active.sha256 === record.running
          ? null
          : `version ${active.version} is active, and starts with the next restart`),
    };
  }

  async stage(release: Release): Promise<void> {
    const slots = this.#slots("stage a release");
    const target = targetFor(release, this.#options.arch);
    const { active, standby, floor } = slots.read();
    if (target.stateFormat < floor) throw belowFloor(target, floor);
    if (active.sha256 === target.coreSha256) return;
    if (standby?.sha256 === target.coreSha256 && slots.hasCore(standby.sha256)) {
      this.#staged = standby.sha256;
      return;
    }
    await this.#do("staging", async () => {
      await stageRelease(target, { ...this.#options, slots }, (progress) => {
        this.#staging = progress;
      });
      this.#staged = target.coreSha256;
      this.#options.logger.info("a new version is staged", { ...this.#staging });
    });
  }

  switchOver(): Promise<never> {
    const slots = this.#slots("switch over");
    const { standby } = slots.read();
    if (standby === null || standby.sha256 !== this.#staged) {
      return Promise.reject(
        new MyceliumError("STATE_MISSING", "Cannot switch over: no new version is staged here"),
      );
    }
    return this.#switch(slots);
  }

  rollback(): Promise<never> {
    return this.#switch(this.#slots("go back to the version before"));
  }

  takeBack(reason: string): Promise<never> {
    const { checkLauncher, logger, metrics, restart, version } = this.#options;
    const slots = this.#slots("take this version back");
    return this.#do("draining", async () => {
      checkLauncher();
      await slots.takeBack(reason);
      logger.error("this version is taken back", { version, reason });
      metrics.count("mycelium_update_reverts_total");
      restart();
      return new Promise<never>(() => {});
    });
  }

  async finalise(stateFormat: number): Promise<void> {
    await this.#slots("finalise a release").raiseFloor(stateFormat);
  }

  async #switch(slots: SlotStore): Promise<never> {
    const { clock, health, logger, checkLauncher, restart, saveBefore, version } = this.#options;
    return this.#do("draining", async () => {
      checkLauncher();
      const { faults, critical, memoryBytes } = await health();
      saveBefore({ version, faults: [...faults, ...critical], memoryBytes });
      const { active, standby, state } = slots.read();
      if (state === "trial") await slots.revert("an operator went back to the version before");
      else await slots.switchToStandby(clock.wallMs());
      logger.info("this node switches to another version", {
        from: active.version,
        to: standby?.version ?? null,
      });
      restart();
      // The process becomes another: nobody waits for this for long.
      return new Promise<never>(() => {});
    });
  }

  async #do<T>(what: "staging" | "draining", step: () => Promise<T>): Promise<T> {
    if (this.#doing !== null) {
      throw new MyceliumError(
        "OVERLOADED",
        `Cannot begin ${what}: this node is ${this.#doing}; try again when that has ended`,
      );
    }
    this.#doing = what;
    try {
      const result = await step();
      this.#problem = null;
      return result;
    } catch (error) {
      this.#problem = messageOf(error);
      throw error;
    } finally {
      this.#doing = null;
    }
  }

  #phase({ state, standby, running, active }: SlotsView): NodePhase {
    if (this.#doing !== null) return this.#doing;
    if (state === "trial" && active.sha256 === running) return "trial";
    return standby !== null && standby.sha256 === this.#staged ? "staged" : "idle";
  }

  #slots(action: string): SlotStore {
    if (this.#options.slots !== null) return this.#options.slots;
    throw new MyceliumError(
      "STATE_MISSING",
      `Cannot ${action}: this node runs without the launcher, so it has no slots; start it as \`mycelium run\` from ` +
        "an installed release",
    );
  }
}

function readable(slots: SlotStore): SlotsView | MyceliumError {
  try {
    return slots.read();
  } catch (error) {
    if (error instanceof MyceliumError) return error;
    throw error;
  }
}

function targetFor(release: Release, arch: string): ReleaseTarget {
  const target = release.targets.find((one) => one.arch === arch);
  if (target !== undefined) return target;
  throw new MyceliumError(
    "UPDATE_REFUSED",
    `Cannot stage version ${release.version}: it has no executable for ${arch}; ask its publisher for one`,
  );
}

function belowFloor(target: ReleaseTarget, floor: number): MyceliumError {
  return new MyceliumError(
    "UPDATE_REFUSED",
    `Cannot stage version ${target.version}: it writes state format ${target.stateFormat}, the network has moved on ` +
      `to ${floor} for good`,
  );
}
