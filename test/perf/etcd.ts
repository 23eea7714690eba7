/** etcd (Debian's etcd-server) through its JSON gateway. */

import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import {
  type Answer,
  HttpConnection,
  requestBytes,
  type Target,
} from "../cluster/http-connection.ts";
import { ended, freePorts, freshDirectory, start, terminate, until } from "../cluster/processes.ts";
import { type Contender, VALUE_64 } from "./contender.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

export class Etcd implements Contender {
  readonly name = "etcd";
  #ports: number[] = [];
  #commands: string[][] = [];
  #children: ChildProcess[] = [];
  #killed: number | null = null;
  #directory = "";

  async start(nodeCount: number): Promise<{ firstWriteMs: number }> {
    this.#directory = freshDirectory("etcd");
    const ports = await freePorts(nodeCount * 2);
    this.#ports = ports.slice(0, nodeCount);
    const peers = ports.slice(nodeCount);
    const cluster = peers.map((port, i) => `n${i}=http://127.0.0.1:${port}`).join(",");
    const startedMs = performance.now();
    this.#commands = this.#ports.map((port, i) => [
      ...["etcd", "--name", `n${i}`, "--data-dir", join(this.#directory, `n${i}`)],
      ...["--listen-client-urls", `http://127.0.0.1:${port}`],
      ...["--advertise-client-urls", `http://127.0.0.1:${port}`],
      ...["--listen-peer-urls", `http://127.0.0.1:${peers[i]}`],
      ...["--initial-advertise-peer-urls", `http://127.0.0.1:${peers[i]}`],
      ...["--initial-cluster", cluster, "--initial-cluster-state", "new"],
    ]);
    this.#children = this.#commands.map((command, i) => start(command, this.#log(i)));
    const target = { host: "127.0.0.1", port: this.#ports[0] ?? 0 };
    await until("etcd's first write", () => this.#tryWrite(target));
    return { firstWriteMs: performance.now() - startedMs };
  }

  leader(): Promise<Target> {
    return until("etcd's leader", () =>
      this.#find((status) => status.leader === status.header.member_id),
    );
  }

  follower(): Promise<Target> {
    return until("a follower of etcd", () =>
      this.#find((status) => status.leader !== status.header.member_id),
    );
  }

  write(unique: string): Buffer {
    return requestBytes(
      "/v3/kv/put",
      JSON.stringify({ key: base64(unique), value: base64(VALUE_64) }),
    );
  }

  read(): Buffer {
    return requestBytes("/v3/kv/range", JSON.stringify({ key: base64("first") }));
  }

  localRead(): Buffer {
    return requestBytes(
      "/v3/kv/range",
      JSON.stringify({ key: base64("first"), serializable: true }),
    );
  }

  writeRows(): null {
    return null;
  }

  check(answer: Answer): void {
    if (answer.status !== 200) throw new Error(`etcd answered ${answer.status}: ${answer.body}`);
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
    this.#children[i] = start(this.#commands[i] ?? [], this.#log(i));
    this.#killed = null;
    await until("etcd's return", () =>
      this.#tryWrite({ host: "127.0.0.1", port: this.#ports[i] ?? 0 }),
    );
  }

  pids(): number[] {
    return this.#children.map((child) => child.pid ?? 0);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#children.map(terminate));
  }

  async #tryWrite(target: Target): Promise<true> {
    const connection = await HttpConnection.open(target);
    try {
      this.check(await connection.send(this.write("first")));
      return true;
    } finally {
      connection.close();
    }
  }

  async #find(
    wanted: (status: { leader: string; header: { member_id: string } }) => boolean,
  ): Promise<Target | null> {
    for (const [i, port] of this.#ports.entries()) {
      if (i === this.#killed) continue;
      const answer = await fetch(`http://127.0.0.1:${port}/v3/maintenance/status`, {
        method: "POST",
        body: "{}",
      });
      const status = (await answer.json()) as { leader: string; header: { member_id: string } };
      if (wanted(status)) return { host: "127.0.0.1", port };
    }
    return null;
  }

  #log(i: number): string {
    return join(this.#directory, `n${i}.log`);
  }
}
