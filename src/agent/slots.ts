/** This process and its slots: which core it runs, and how it becomes what the record says is active. */

import { accessSync, constants, realpathSync } from "node:fs";
import { becomeLauncher, ownArguments, SlotDirectory, slotOf } from "../adapters/slots/index.ts";
import { MyceliumError } from "../base/index.ts";
import type { Config } from "../domain/config/index.ts";
import type { SlotStore } from "../ports/index.ts";

/** How this process was started. */
export interface Launch {
  /** MYCELIUM_LAUNCHER: the executable that started this core; null when it was started without one. */
  readonly launcher: string | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** What a node that was started by the launcher can do with its slots. */
export interface OwnSlots {
  readonly store: SlotStore;
  /** Throws STATE_MISSING when the launcher is gone. */
  checkLauncher(): void;
  /** Does not return; throws STATE_MISSING, and then the process goes on as it is. */
  become(): never;
}

/** Null for a core outside the slots, or one that was started without the launcher. */
export function ownSlots(config: Config, { launcher, environment }: Launch): OwnSlots | null {
  const stateDirectory = realpathSync(config.state);
  const running = slotOf(process.execPath, stateDirectory);
  if (launcher === null || running === null) return null;
  const { diskReserveBytes } = config;
  return {
    store: new SlotDirectory({ stateDirectory, running, launcher, reserveBytes: diskReserveBytes }),
    checkLauncher: () => checkExecutable(launcher),
    become: () => becomeLauncher(launcher, ownArguments(), environment),
  };
}

function checkExecutable(path: string): void {
  try {
    accessSync(path, constants.X_OK);
  } catch (cause) {
    throw new MyceliumError(
      "STATE_MISSING",
      `Cannot switch to another version: the launcher ${path} is gone or may not be executed; install mycelium again`,
      { cause },
    );
  }
}
