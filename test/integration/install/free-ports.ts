/** Ports for one node that nothing listens on just now: PORT, P2P_PORT, and P2P_PORT + 1 for gossip. */

import { createServer } from "node:net";

const FIRST = 20_000;
const STEP = 8;
const TRIES_MAX = 500;

let next = FIRST + (process.pid % 2_000) * STEP;

export async function freePorts(): Promise<{ port: number; p2pPort: number }> {
  for (let i = 0; i < TRIES_MAX; i++) {
    const base = next;
    next = next + STEP > 60_000 ? FIRST : next + STEP;
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
