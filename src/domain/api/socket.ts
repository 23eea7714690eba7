/** Where the agent's local API listens: one Unix socket in the state directory, mode 0600. */

import { MyceliumError, utf8 } from "../../base/index.ts";

const SOCKET_NAME = "mycelium.sock";
/** `sun_path` of unix(7) holds 108 bytes, the closing zero included. */
const SOCKET_PATH_SIZE_MAX = 107;

/** The socket's path. Throws BAD_CONFIG when the kernel could not bind so long a path. */
export function localSocketPath(stateDirectory: string): string {
  const path = `${stateDirectory.replace(/\/+$/, "")}/${SOCKET_NAME}`;
  const sizeBytes = utf8(path).length;
  if (sizeBytes > SOCKET_PATH_SIZE_MAX) {
    throw new MyceliumError(
      "BAD_CONFIG",
      `Cannot use the state directory ${stateDirectory}: its socket's path would have ${sizeBytes} bytes, ` +
        `needed at most ${SOCKET_PATH_SIZE_MAX}; choose a shorter path with --state`,
    );
  }
  return path;
}
