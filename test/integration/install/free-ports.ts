/** Ports for one node that nothing listens on just now: PORT, P2P_PORT, and P2P_PORT + 1 for gossip. */

import { createServer } from "node:net";

/** Below those the kernel gives to outgoing connections (ip_local_port_range), which come and go. */
const FIRST = 20_000;
const STEP = 8;
const SLOT_COUNT = 1_500;
const TRIES_MAX = 500;

const taken = new Set<number>();

/** Anywhere in the range: other test processes look for ports at the same time. */
export async function freePorts(): Promise<{ port: number; p2pPort: number }> {
  for (let i = 0; i < TRIES_MAX; i++) {
    const base = FIRST + Math.floor(Math.random() * SLOT_COUNT) * STEP;
    if (taken.has(base)) continue;
    taken.add(base);
    const free = await Promise.all([base, base + 1, base + 2].map(isFree));
    if (free.every(Boolean)) return { port: base, p2pPort: base + 1 };
  }
  throw new Error("Cannot test: no free ports");
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}
