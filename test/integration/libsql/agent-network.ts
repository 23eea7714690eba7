/** Networks of the real program, run from its source: what `mycelium init`, `join` and `run` start. */

import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SuiteNode } from "./suite-node.ts";

const MAIN = join(import.meta.dir, "../../../src/main.ts");

interface Status {
  readonly healthy: boolean;
  readonly peers: readonly unknown[];
}

/** One agent with a state directory and ports of its own. */
class Agent {
  readonly port: number;
  readonly #state: string;
  readonly #environment: Record<string, string | undefined>;
  #child: Bun.Subprocess<"ignore", "inherit", "pipe"> | null = null;
  #log: Promise<void> = Promise.resolve();

  constructor(state: string, port: number, peerPort: number) {
    this.port = port;
    this.#state = state;
    this.#environment = {
      ...process.env,
      MYCELIUM_MDNS: "off",
      MYCELIUM_GOSSIP: "off",
      MYCELIUM_PORT: String(port),
      MYCELIUM_P2P_PORT: String(peerPort),
      MYCELIUM_ADVERTISE: "127.0.0.1",
    };
  }

  /** Runs a command and resolves with what it printed. */
  async command(...args: string[]): Promise<string> {
    const child = Bun.spawn([process.execPath, MAIN, ...args, "--state", this.#state], {
      env: this.#environment,
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

  /** Starts it and resolves once it serves. */
  async run(): Promise<void> {
    const child = Bun.spawn([process.execPath, MAIN, "run", "--state", this.#state], {
      env: this.#environment,
      stdin: "ignore",
      stdout: "inherit",
      stderr: "pipe",
    });
    this.#child = child;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#log = readLog(child.stderr, resolve).then((text) => {
      reject(new Error(`the agent ended before it served: ${text}`));
    });
    await promise;
  }

  /** Resolves once its network is whole, as `status` sees it. */
  async untilHealthy(peerCount: number): Promise<void> {
    for (;;) {
      const status = JSON.parse(await this.command("status", "--json")) as Status;
      if (status.healthy && status.peers.length >= peerCount) return;
      if (this.#child?.exitCode !== null) throw new Error("the agent ended");
    }
  }

  async stop(): Promise<void> {
    this.#child?.kill("SIGTERM");
    await this.#child?.exited;
    await this.#log;
  }
}

/** Reads on to the end, so that the agent never waits for us; resolves with the log if it never served. */
async function readLog(stream: ReadableStream<Uint8Array>, served: () => void): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    if (!text.includes('"node serves"')) continue;
    served();
    text = '"node serves"';
  }
  return text;
}

/** A network of `count` nodes; the suite speaks to the one that joined last, which has to forward its writes. */
export async function startAgentNetwork(count: number): Promise<SuiteNode> {
  const directory = mkdtempSync(join(tmpdir(), "libsql-agents-"));
  const ports = await freePorts(count * 2);
  const agents = Array.from({ length: count }, (_, i) => {
    return new Agent(join(directory, `n${i}`), ports[2 * i]!, ports[2 * i + 1]!);
  });
  const [first] = agents as [Agent];
  await first.command("init", "--network", "libsql");
  await first.run();
  await first.untilHealthy(0);
  for (const agent of agents.slice(1)) {
    await agent.command("join", await first.command("token", "create"));
    await agent.run();
  }
  const last = agents.at(-1) ?? first;
  await last.untilHealthy(count - 1);
  return {
    url: `http://127.0.0.1:${last.port}`,
    writeToken: await last.command("token", "create", "--sql", "rw"),
    readToken: await last.command("token", "create", "--sql", "ro"),
    stop: async () => {
      await Promise.all(agents.map((agent) => agent.stop()));
      rmSync(directory, { recursive: true });
    },
  };
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
