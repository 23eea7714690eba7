/** Waits for an agent that was told to stop. */

import { errorCodeOf, MyceliumError } from "../base/index.ts";
import type { LocalClient } from "../client/index.ts";

const END_TIMEOUT_MS = 30_000;
const POLL_INTERVAL_MS = 25;

/** Resolves when nothing answers on the socket any more. Throws TIMEOUT after 30 s. */
export async function untilStopped(client: LocalClient): Promise<void> {
  const deadline = performance.now() + END_TIMEOUT_MS;
  while (performance.now() < deadline) {
    try {
      await client.status();
    } catch (error) {
      const code = errorCodeOf(error);
      if (code === "NOT_RUNNING") return;
      if (code === undefined) throw error;
    }
    await Bun.sleep(POLL_INTERVAL_MS);
  }
  throw new MyceliumError(
    "TIMEOUT",
    `Cannot stop the agent: it still answers after ${END_TIMEOUT_MS / 1_000} s; look at \`mycelium logs\``,
  );
}
