/** Waits for what a test expects to come, and says what it was when it does not. */

const TIMEOUT_MS = 40_000;
const POLL_INTERVAL_MS = 20;

export async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`Waited ${TIMEOUT_MS / 1_000} s: ${what}`);
    await Bun.sleep(POLL_INTERVAL_MS);
  }
}
