/** The core inside a shipped file, by the launcher: it alone knows how it was packed, and checks both hashes. */

import { MyceliumError } from "../../base/index.ts";

/** Unpacking takes seconds on a small board. */
const TIMEOUT_MS = 300_000;
const REASON_LENGTH_MAX = 500;

/** Makes the file `out`. Throws UPDATE_REFUSED with the launcher's words. */
export async function unpackShipped(launcher: string, shipped: string, out: string): Promise<void> {
  const child = Bun.spawn([launcher, "--launcher-extract", shipped, out], {
    env: {},
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  const reason = await new Response(child.stderr).text();
  if ((await child.exited) === 0) return;
  throw new MyceliumError(
    "UPDATE_REFUSED",
    `Cannot unpack ${shipped}: ${reason.trim().slice(0, REASON_LENGTH_MAX) || "the launcher was killed"}`,
  );
}
