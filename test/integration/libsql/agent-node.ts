/** A one-node network of the real program, run from its source: what `mycelium init` and `mycelium run` start. */

import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SuiteNode } from "./suite.ts";

const MAIN = join(import.meta.dir, "../../../src/main.ts");

export async function startAgentNode(): Promise<SuiteNode> {
  const directory = mkdtempSync(join(tmpdir(), "libsql-agent-"));
  const state = join(directory, "state");
  const [port, peerPort] = await freePorts(2);
  const environment = {
    ...process.env,
    MYCELIUM_MDNS: "off",
    MYCELIUM_GOSSIP: "off",
    MYCELIUM_PORT: String(port),
    MYCELIUM_P2P_PORT: String(peerPort),
  };
  const mycelium = (...args: string[]) => run(environment, [...args, "--state", state]);
  await mycelium("init", "--network", "libsql");
  const agent = Bun.spawn([process.execPath, MAIN, "run", "--state", state], {
    env: environment,
    stdout: "inherit",
    stderr: "pipe",
  });
  const log = await untilLine(agent.stderr, '"node serves"');
  while (!isHealthy(await mycelium("status", "--json"))) {
    if (agent.exitCode !== null) throw new Error("the agent ended before it was healthy");
  }
  return {
    url: `http://127.0.0.1:${port}`,
    writeToken: await mycelium("token", "create", "--sql", "rw"),
    readToken: await mycelium("token", "create", "--sql", "ro"),
    stop: async () => {
      agent.kill("SIGTERM");
      await agent.exited;
      await log.ended;
      rmSync(directory, { recursive: true });
    },
  };
}

function isHealthy(status: string): boolean {
  return (JSON.parse(status) as { healthy: boolean }).healthy;
}

async function run(environment: NodeJS.ProcessEnv, args: string[]): Promise<string> {
  const child = Bun.spawn([process.execPath, MAIN, ...args], {
    env: environment,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, error, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (status !== 0) throw new Error(`mycelium ${args.join(" ")} ended with ${status}: ${error}`);
  return out.trim();
}

/** Resolves when a line came that holds `wanted`, with a promise of the stream's end: it is read on. */
async function untilLine(
  stream: ReadableStream<Uint8Array>,
  wanted: string,
): Promise<{ readonly ended: Promise<void> }> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const ended = (async () => {
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of stream) {
      if (text !== wanted) text += decoder.decode(chunk, { stream: true });
      if (!text.includes(wanted)) continue;
      text = wanted;
      resolve();
    }
    reject(new Error(`the agent ended before it said ${wanted}: ${text}`));
  })();
  await promise;
  return { ended };
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ports.push((server.address() as { port: number }).port);
  }
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return ports;
}
