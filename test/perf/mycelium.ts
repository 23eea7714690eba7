/** Mycelium itself: the built executable, made into a network by its own commands, spoken to in Hrana. */

import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  type Answer,
  HttpConnection,
  requestBytes,
  type Target,
} from "../cluster/http-connection.ts";
import {
  ended,
  freePorts,
  freshDirectory,
  output,
  start,
  terminate,
  until,
} from "../cluster/processes.ts";
import { type Contender, VALUE_64 } from "./contender.ts";

/** As the launcher sets them (native/launcher/exec.c): the benches start the core without it. */
export const ENVIRONMENT = {
  BUN_JSC_useFTLJIT: "0",
  BUN_JSC_smallHeapGrowthFactor: "4",
  MIMALLOC_PURGE_DELAY: "500",
  MIMALLOC_PURGE_HOLES_MIN_INTERVAL: "5000",
};
const EXECUTABLE = join(import.meta.dir, "../../dist/mycelium-core");

interface StatusView {
  readonly node: { readonly id: string };
  readonly raft: { readonly leader: string | null };
  readonly healthy: boolean;
}

export class Mycelium implements Contender {
  readonly name = "mycelium";
  #ports: number[] = [];
  #states: string[] = [];
  #ids: string[] = [];
  #children: ChildProcess[] = [];
  #killed: number | null = null;
  #token = "";

  async start(nodeCount: number): Promise<{ firstWriteMs: number }> {
    if (!existsSync(EXECUTABLE))
      throw new Error(`${EXECUTABLE} is missing: run \`bun run build\` first`);
    const directory = freshDirectory("mycelium");
    this.#ports = await freePorts(nodeCount);
    const p2p = await freePorts(nodeCount * 2);
    this.#states = this.#ports.map((_, i) => join(directory, `n${i}`));
    this.#children = [];
    const settings = this.#ports.map((port, i) => [
      ...["--state", this.#state(i), "--host", "127.0.0.1", "--port", String(port)],
      ...["--p2p-port", String(p2p[2 * i]), "--gossip-port", String(p2p[2 * i + 1])],
    ]);
    await output([EXECUTABLE, "init", "--network", "perf", ...(settings[0] ?? [])]);
    this.#children[0] = this.#run(0);
    await this.#answers(0);
    const uses = ["--uses", String(Math.max(1, nodeCount - 1))];
    const startedMs = performance.now();
    const invite = await output([
      EXECUTABLE,
      "token",
      "create",
      ...uses,
      "--state",
      this.#state(0),
    ]);
    const others = settings.slice(1).map(async (flags, i) => {
      await output([EXECUTABLE, "join", invite.trim(), ...flags]);
      this.#children[i + 1] = this.#run(i + 1);
    });
    await Promise.all(others);
    const sqlToken = [EXECUTABLE, "token", "create", "--sql", "rw", "--state", this.#state(0)];
    this.#token = (await output(sqlToken)).trim();
    // Formed: a strong write through the node that joined last.
    const last = { host: "127.0.0.1", port: this.#ports[nodeCount - 1] ?? 0 };
    await until("the first strong write", () =>
      this.#try(last, this.#sql("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, v TEXT)")),
    );
    await this.#try(last, this.write("first"));
    const firstWriteMs = performance.now() - startedMs;
    await until("all voters", () => this.#formed(nodeCount));
    return { firstWriteMs };
  }

  leader(): Promise<Target> {
    return until("the leader", () => this.#find(true));
  }

  follower(): Promise<Target> {
    return until("a follower", () => this.#find(false));
  }

  write(_unique: string): Buffer {
    return this.#sql("INSERT INTO t (v) VALUES (?)", [{ type: "text", value: VALUE_64 }]);
  }

  read(): Buffer {
    return this.#sql("SELECT v FROM t WHERE id = ?", [{ type: "integer", value: "1" }]);
  }

  localRead(): Buffer {
    return this.#sql("SELECT v FROM t WHERE id = ?", [{ type: "integer", value: "1" }], {
      "Mycelium-Consistency": "local",
    });
  }

  writeRows(_unique: string, rowCount: number): Buffer {
    const stmt = { sql: "INSERT INTO t (v) VALUES (?)", args: [{ type: "text", value: VALUE_64 }] };
    const steps: unknown[] = [{ stmt: { sql: "BEGIN" } }];
    for (let i = 0; i < rowCount; i++) steps.push({ stmt, condition: { type: "ok", step: i } });
    steps.push({ stmt: { sql: "COMMIT" }, condition: { type: "ok", step: rowCount } });
    return this.#pipeline([{ type: "batch", batch: { steps } }]);
  }

  check(answer: Answer): void {
    if (answer.status !== 200 || answer.body.includes('"error"')) {
      throw new Error(`mycelium answered ${answer.status}: ${answer.body.slice(0, 500)}`);
    }
  }

  async killLeader(): Promise<void> {
    const { port } = await this.leader();
    this.#killed = this.#ports.indexOf(port);
    this.#children[this.#killed]?.kill("SIGKILL");
  }

  async restartKilled(): Promise<void> {
    const i = this.#killed;
    if (i === null) return;
    await ended(this.#children[i] as ChildProcess);
    this.#children[i] = this.#run(i);
    this.#killed = null;
    await until("the node's return", () =>
      this.#try({ host: "127.0.0.1", port: this.#ports[i] ?? 0 }, this.read()),
    );
  }

  pids(): number[] {
    return this.#children.map((child) => child.pid ?? 0);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#children.map(terminate));
  }

  #run(i: number): ChildProcess {
    const log = `${this.#state(i)}.log`;
    return start([EXECUTABLE, "run", "--state", this.#state(i)], log, ENVIRONMENT);
  }

  #state(i: number): string {
    return this.#states[i] ?? "";
  }

  async #answers(i: number): Promise<void> {
    await until("the node's answer", async () => {
      const answer = await fetch(`http://127.0.0.1:${this.#ports[i]}/healthz`);
      return answer.ok ? true : null;
    });
  }

  async #status(i: number): Promise<StatusView> {
    const text = await output([EXECUTABLE, "status", "--json", "--state", this.#state(i)]);
    return JSON.parse(text) as StatusView;
  }

  async #formed(nodeCount: number): Promise<true | null> {
    const all = await Promise.all(this.#states.map((_, i) => this.#status(i)));
    this.#ids = all.map((status) => status.node.id);
    const voters = all.map((status) => {
      const groups = (
        status.raft as unknown as { groups: { id: string; replicas: { voter: boolean }[] }[] }
      ).groups;
      const main = groups.find((group) => group.id === "main");
      return main?.replicas.filter((replica) => replica.voter).length ?? 0;
    });
    return voters.every((count) => count === nodeCount) ? true : null;
  }

  async #find(leading: boolean): Promise<Target | null> {
    const alive = this.#states.map((_, i) => i).filter((i) => i !== this.#killed);
    for (const i of alive) {
      const { leader } = (await this.#status(i)).raft;
      if (leader === null || leader === this.#ids[this.#killed ?? -1]) continue;
      const at = leading ? this.#ids.indexOf(leader) : alive.find((j) => this.#ids[j] !== leader);
      if (at !== undefined && at >= 0) return { host: "127.0.0.1", port: this.#ports[at] ?? 0 };
    }
    return null;
  }

  #sql(sql: string, args: unknown[] = [], headers: Record<string, string> = {}): Buffer {
    return this.#pipeline([{ type: "execute", stmt: { sql, args } }], headers);
  }

  #pipeline(requests: unknown[], headers: Record<string, string> = {}): Buffer {
    const body = JSON.stringify({ baton: null, requests: [...requests, { type: "close" }] });
    return requestBytes("/v3/pipeline", body, {
      Authorization: `Bearer ${this.#token}`,
      ...headers,
    });
  }

  async #try(target: Target, request: Buffer): Promise<true> {
    const connection = await HttpConnection.open(target);
    try {
      this.check(await connection.send(request));
      return true;
    } finally {
      connection.close();
    }
  }
}
