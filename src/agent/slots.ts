/** This process and its slots: which core it runs, and how it becomes what the record says is active. */

import { spawnSync } from "node:child_process";
import { accessSync, constants, realpathSync } from "node:fs";
import { link, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { installLauncher } from "../adapters/privileged/index.ts";
import {
  becomeLauncher,
  ownArguments,
  readTrailer,
  SlotDirectory,
  slotOf,
} from "../adapters/slots/index.ts";
import { MyceliumError, messageOf } from "../base/index.ts";
import type { Config } from "../domain/config/index.ts";
import type { ShippedTrailer } from "../domain/update/index.ts";
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
  /**
   * Before this process stops to become another core: should it fall on the way, and no supervisor be there, the
   * launcher is started in its place.
   */
  seeOff(): void;
  /** Does not return; throws STATE_MISSING, and then the process goes on as it is. */
  become(): never;
  /** What the launcher's file holds; null when it cannot be read. */
  installed(): Promise<ShippedTrailer | null>;
  /** Puts a shipped file in the launcher's place; the sums are for the root helper, which checks them. */
  install(shipped: string, sums: Uint8Array, signature: Uint8Array): Promise<void>;
}

/** Null for a core outside the slots, or one that was started without the launcher. */
export function ownSlots(config: Config, { launcher, environment }: Launch): OwnSlots | null {
  const stateDirectory = realpathSync(config.state);
  const running = slotOf(process.execPath, stateDirectory);
  if (launcher === null || running === null) return null;
  const reserveBytes = config.diskReserveBytes;
  const store = new SlotDirectory({ stateDirectory, running, launcher, reserveBytes });
  return {
    store,
    checkLauncher: () => checkExecutable(launcher),
    seeOff: () => {
      // A core that takes itself back has a guardian, which does the same.
      if (!isOnTrial(store)) return;
      const words = ["--launcher-see-off", String(process.pid), ...ownArguments()];
      spawnSync(launcher, words, { env: environment, stdio: ["ignore", "ignore", "inherit"] });
    },
    become: () => becomeLauncher(launcher, ownArguments(), environment),
    installed: () => readTrailer(launcher),
    install: (shipped, sums, signature) =>
      install({ program: launcher, shipped, sums, signature, stateDirectory }),
  };
}

/** True also when it cannot be told. */
function isOnTrial(store: SlotStore): boolean {
  try {
    return store.read().state === "trial";
  } catch (error) {
    if (error instanceof MyceliumError) return true;
    throw error;
  }
}

interface Installation {
  readonly program: string;
  readonly shipped: string;
  readonly sums: Uint8Array;
  readonly signature: Uint8Array;
  readonly stateDirectory: string;
}

/** Gathers the files as `installLauncher` wants them, in a directory that is gone afterwards. */
async function install({ program, shipped, sums, signature, stateDirectory }: Installation) {
  const directory = join(stateDirectory, "update/launcher");
  try {
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { mode: 0o700 });
    await link(shipped, join(directory, "mycelium"));
    await writeFile(join(directory, "SHA256SUMS"), sums);
    await writeFile(join(directory, "SHA256SUMS.sig"), signature);
    await installLauncher({ program, directory });
  } catch (error) {
    if (error instanceof MyceliumError) throw error;
    const message = `Cannot replace ${program}: ${messageOf(error)}`;
    throw new MyceliumError("STATE_NOT_WRITABLE", message, { cause: error });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
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
