/** Which node a command means: `--state`, else MYCELIUM_STATE, else the installed one. */

import { accessSync, constants, existsSync } from "node:fs";
import { resolve } from "node:path";
import { MyceliumError } from "../base/index.ts";
import { LocalClient } from "../client/index.ts";
import { localSocketPath } from "../domain/api/index.ts";
import type { Terminal } from "./terminal.ts";

/** Where `install.sh` puts the node of a whole machine. */
export const SYSTEM_STATE = "/var/lib/mycelium";

/** /var/lib/mycelium for root or who may read it, else the user's own (XDG base directories). */
export function defaultStateDirectory(
  environment: Readonly<Record<string, string | undefined>>,
): string {
  if (process.getuid?.() === 0 || isReadable(SYSTEM_STATE)) return SYSTEM_STATE;
  const home = environment["HOME"];
  const states = environment["XDG_STATE_HOME"] || (home ? `${home}/.local/state` : null);
  if (states === null) {
    throw new MyceliumError(
      "BAD_ARGUMENT",
      "Cannot choose a state directory: found neither HOME nor XDG_STATE_HOME; name one with --state",
    );
  }
  return `${states}/mycelium`;
}

/** An absolute path. */
export function stateDirectoryOf(state: string | undefined, terminal: Terminal): string {
  const { environment } = terminal;
  const chosen = state || environment["MYCELIUM_STATE"] || defaultStateDirectory(environment);
  return resolve(chosen);
}

export function clientOf(state: string | undefined, terminal: Terminal): LocalClient {
  return new LocalClient(localSocketPath(stateDirectoryOf(state, terminal)));
}

/** A sentence to add to NOT_RUNNING when a node of the whole machine is there and only root may ask it. */
export function systemNodeHint(stateDirectory: string): string {
  const hidden = stateDirectory !== SYSTEM_STATE && existsSync(SYSTEM_STATE);
  return hidden ? `\nThis machine's own node is in ${SYSTEM_STATE}: ask it as root (sudo).` : "";
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
