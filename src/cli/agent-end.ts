/** Waits for an agent that was told to stop. */

import { errorCodeOf, MyceliumError } from "../base/index.ts";
import type { LocalClient } from "../client/index.ts";

const END_TIMEOUT_MS = 30_000;
const POLL_INTERVAL_MS = 25;

/**
 * Resolves when nothing answers on the socket any more and the state directory is free: what it had to do there is
 * done, and it can be started again. Throws TIMEOUT after 30 s.
 */
export async function untilStopped(client: LocalClient, stateDirectory: string): Promise<void> {
  const { isStateHeld } = await import("../agent/index.ts");
  const deadline = performance.now() + END_TIMEOUT_MS;
  while (performance.now() < deadline) {
    if (!(await answers(client)) && !isStateHeld(stateDirectory)) return;
    await Bun.sleep(POLL_INTERVAL_MS);
  }
  throw new MyceliumError(
    "TIMEOUT",
    `Cannot stop the agent: it still answers after ${END_TIMEOUT_MS / 1_000} s; look at \`mycelium logs\``,
  );
}

async function answers(client: LocalClient): Promise<boolean> {
  try {
    await client.status();
  } catch (error) {
    const code = errorCodeOf(error);
    if (code === undefined) throw error;
    return code !== "NOT_RUNNING";
  }
  return true;
}
