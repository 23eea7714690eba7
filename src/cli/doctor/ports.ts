/** Checks that a node's ports are its own, or free. */

import { createServer } from "node:net";
import type { Status } from "../../domain/api/index.ts";
import type { Config } from "../../domain/config/index.ts";
import { type Finding, fail, ok } from "./finding.ts";

export async function portFindings(config: Config, status: Status | null): Promise<Finding[]> {
  if (status !== null) {
    const { http, peer, gossip } = status.listen;
    return [ok("ports", [http, peer, gossip ?? "no gossip"].join(", "))];
  }
  const ports = [
    ["PORT", config.port],
    ["P2P_PORT", config.p2pPort],
    ...(config.gossip ? ([["GOSSIP_PORT", config.gossipPort]] as const) : []),
  ] as const;
  return Promise.all(ports.map(([name, port]) => portFinding(name, config.host, port)));
}

async function portFinding(name: string, host: string, port: number): Promise<Finding> {
  const problem = await listenProblem(host, port);
  if (problem === null) return ok("ports", `${name} ${port} is free`);
  const flag = `--${name.toLowerCase().replaceAll("_", "-")}`;
  if (problem === "EADDRINUSE") {
    return fail(
      "ports",
      `${name} ${port} is taken by another program`,
      `choose another with ${flag} or MYCELIUM_${name}; \`ss -ltnp\` shows who has it`,
    );
  }
  return fail("ports", `${name} ${host}:${port}: ${problem}`, `choose with ${flag} and --host`);
}

/** Null when one can listen there, else the system's code. */
function listenProblem(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error) => {
      resolve("code" in error ? String(error.code) : error.message);
    });
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
}
