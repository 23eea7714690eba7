/**
 * Puts a new shipped file where the launcher is. A node that owns its own program (a user's installation) renames it
 * in place; the machine's own node asks the root helper. Either way the predecessor stays as `mycelium.previous`.
 */

import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { MyceliumError, messageOf } from "../../base/index.ts";
import { HELPER_SOCKET, RootHelper } from "./root-helper.ts";

/** Of the directory that is handed over. */
const FILE = "mycelium";
const EXECUTABLE_MODE = 0o755;

export interface LauncherInstallation {
  /** The launcher's absolute path (MYCELIUM_LAUNCHER). */
  readonly program: string;
  /** In the state directory: `mycelium`, verified already, and the release's SHA256SUMS and SHA256SUMS.sig. */
  readonly directory: string;
  readonly helperSocket?: string;
}

/**
 * Resolves when the new launcher is durably in place; the next start uses it. Rejects with UPDATE_REFUSED,
 * STATE_NOT_WRITABLE, or FORBIDDEN where neither this user nor a helper may do it: the node runs on with the launcher
 * it has, and its operator runs install.sh.
 */
export async function installLauncher(installation: LauncherInstallation): Promise<void> {
  const { program, directory, helperSocket = HELPER_SOCKET } = installation;
  if (mayReplace(program)) {
    replace(program, join(directory, FILE));
    return;
  }
  if (!existsSync(helperSocket)) {
    throw new MyceliumError(
      "FORBIDDEN",
      `Cannot replace ${program}: this user may not write ${dirname(program)} and there is no root helper; run install.sh as root`,
    );
  }
  await new RootHelper(helperSocket).installLauncher(directory);
}

function mayReplace(program: string): boolean {
  try {
    accessSync(dirname(program), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** At every moment `program` is the old one or the new one, whole. */
function replace(program: string, source: string): void {
  const directory = dirname(program);
  const copy = join(directory, `.${basename(program)}.new`);
  const previous = `${program}.previous`;
  try {
    copyFileSync(source, copy);
    chmodSync(copy, EXECUTABLE_MODE);
    syncPath(copy);
    rmSync(`${previous}.new`, { force: true });
    linkSync(program, `${previous}.new`);
    renameSync(`${previous}.new`, previous);
    renameSync(copy, program);
    syncPath(directory);
  } catch (error) {
    rmSync(copy, { force: true });
    throw new MyceliumError(
      "STATE_NOT_WRITABLE",
      `Cannot replace ${program}: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
}

function syncPath(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
