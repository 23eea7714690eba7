/**
 * One node that is updated over and over from the same beginning, with a writer beside it: the process is killed, or
 * the power cut, at a moment of the update, and what comes back is judged.
 */

import { Database } from "bun:sqlite";
import { createHash } from "node:crypto";
import {
  closeSync,
  copyFileSync,
  cpSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import type { UpdateStatus } from "../../src/domain/api/index.ts";
import { parseSlotRecord } from "../../src/domain/update/index.ts";
import { ClusterNode } from "../cluster/cluster-node.ts";
import { freePorts, until } from "../cluster/processes.ts";
import { SqlClient } from "../cluster/sql-client.ts";
import { LAUNCHER, type TrialReleases } from "./releases.ts";

const SETTINGS = {
  MYCELIUM_MDNS: "off",
  MYCELIUM_GOSSIP: "off",
  MYCELIUM_UPDATE_CHECK_INTERVAL: "1s",
  MYCELIUM_UPDATE_HEALTH_INTERVAL: "200ms",
  MYCELIUM_UPDATE_CONFIRM_AFTER: "1s",
  // As systemd sets it: whoever supervises starts the node again, not the launcher's guardian.
  INVOCATION_ID: "trial",
};
const OUTCOME_TIMEOUT_MS = 120_000;
const WRITE_GAP_MS = 20;

export interface Verdict {
  readonly version: string;
  readonly problems: readonly string[];
}

export class OneNode {
  readonly node: ClusterNode;
  readonly #releases: TrialReleases;
  readonly #template: string;
  readonly #executable: string;
  readonly #client: SqlClient;
  #token = "";
  #acknowledged: number[] = [];
  #next = 0;
  #writing: Promise<void> | null = null;
  #stopsWriting = false;

  private constructor(
    node: ClusterNode,
    executable: string,
    releases: TrialReleases,
    template: string,
  ) {
    this.node = node;
    this.#executable = executable;
    this.#releases = releases;
    this.#template = template;
    this.#client = new SqlClient(() => this.#token);
  }

  /** A node of version 0.1.0 in `state`, stopped, and how it began kept in `scratch`. */
  static async make(state: string, scratch: string, releases: TrialReleases): Promise<OneNode> {
    const executable = join(scratch, "mycelium");
    copyFileSync(LAUNCHER, executable);
    const [httpPort = 0, peerPort = 0, gossipPort = 0] = await freePorts(3);
    const node = new ClusterNode({
      executable,
      state,
      logFile: join(scratch, "node.log"),
      place: { host: "127.0.0.1", httpPort, peerPort, gossipPort, enter: [] },
      settings: {
        ...SETTINGS,
        HOME: scratch,
        MYCELIUM_UPDATE_URL: releases.directory,
        MYCELIUM_UPDATE_ROOT: releases.root,
      },
      // A version that ends by itself is started again, as a supervisor does.
      onDeath: () => node.start(),
    });
    const one = new OneNode(node, executable, releases, join(scratch, "template"));
    await node.command("init", "--network", "trial", ...node.portFlags);
    node.start();
    await until("health", async () => ((await node.status()).healthy ? true : null));
    one.#token = await node.command("token", "create", "--sql", "rw");
    await one.#sql("CREATE TABLE kept (n INTEGER PRIMARY KEY)");
    await node.kill("SIGTERM");
    cpSync(state, one.#template, { recursive: true, preserveTimestamps: true });
    return one;
  }

  /** Back to the beginning, on a disk that has it all, and running; rows are written from here on. */
  async begin(): Promise<void> {
    const { state } = this.node;
    for (const name of readdirSync(state)) rmSync(join(state, name), { recursive: true });
    cpSync(this.#template, state, { recursive: true, preserveTimestamps: true });
    syncAll(state);
    // The update may have brought its own launcher.
    copyFileSync(LAUNCHER, this.#executable);
    this.#acknowledged = [];
    this.node.start();
    await until("health", async () => ((await this.node.status()).healthy ? true : null));
    this.#stopsWriting = false;
    this.#writing = this.#write();
    await this.node.command("update", "plan", "0.2.0");
  }

  /** The end of the update, whatever it is; what is wrong with what is there then. */
  async judge(): Promise<Verdict> {
    const problems: string[] = [];
    const status = await until("an answer", () => this.node.status(), OUTCOME_TIMEOUT_MS);
    if (this.#releases.coreOf.get(status.node.version) !== this.#runningCore()) {
      problems.push(`version ${status.node.version} runs another core than its own`);
    }
    const update = await until("the end of the update", () => this.#ended(), OUTCOME_TIMEOUT_MS);
    this.#stopsWriting = true;
    await this.#writing;
    problems.push(...(await this.#missing()));
    await this.node.kill("SIGTERM");
    problems.push(...this.#integrity());
    return { version: update.node.version, problems };
  }

  async close(): Promise<void> {
    this.#stopsWriting = true;
    await this.node.kill();
    await this.#writing;
    this.#client.close();
  }

  async #ended(): Promise<UpdateStatus | null> {
    const update = JSON.parse(await this.node.command("update", "status", "--json"));
    const { state } = parseSlotRecord(readFileSync(join(this.node.state, "slots/record"), "utf8"));
    const isOver = ["done", "reverted", "aborted", "rejected"].includes(update.plan?.state);
    return isOver && state === "confirmed" && (await this.node.status()).healthy ? update : null;
  }

  /** The digest in the name of the file that the node runs. */
  #runningCore(): string {
    const { pid } = this.node;
    const path = realpathSync(`/proc/${pid}/exe`);
    const sum = createHash("sha256").update(readFileSync(path)).digest("hex");
    return path.endsWith(`/core-${sum}`) ? sum : `${path}, whose digest is ${sum}`;
  }

  async #write(): Promise<void> {
    while (!this.#stopsWriting) {
      const n = ++this.#next;
      const sql = "INSERT INTO kept VALUES (?)";
      const outcome = await this.#client.run(this.node.target, [{ sql, args: [n] }]);
      if (outcome.kind === "ok") this.#acknowledged.push(n);
      await Bun.sleep(WRITE_GAP_MS);
    }
  }

  async #missing(): Promise<string[]> {
    const rows = await this.#sql("SELECT n FROM kept");
    const there = new Set(rows.map(([n]) => Number(n)));
    const missing = this.#acknowledged.filter((n) => !there.has(n));
    if (missing.length === 0) return [];
    return [`${missing.length} acknowledged rows are gone, the first is ${missing[0]}`];
  }

  #integrity(): string[] {
    const problems: string[] = [];
    for (const shard of ["mycelium.db", "mycelium.system.db"]) {
      const directory = join(this.node.state, shard);
      const generation = readFileSync(join(directory, "current"), "utf8").trim();
      const db = new Database(join(directory, `${generation}.sqlite`));
      const found = db.query("PRAGMA integrity_check").values().flat().join("; ");
      db.close();
      if (found !== "ok") problems.push(`${shard}: ${found}`);
    }
    return problems;
  }

  async #sql(sql: string): Promise<readonly (readonly (string | null)[])[]> {
    return until(sql, async () => {
      const outcome = await this.#client.run(this.node.target, [{ sql }]);
      if (outcome.kind === "ok") return outcome.results[0] ?? [];
      throw new Error(JSON.stringify(outcome));
    });
  }
}

/** Everything below a directory is durable from here on, names included. */
function syncAll(directory: string): void {
  for (const name of readdirSync(directory, { recursive: true }).map(String)) {
    const path = join(directory, name);
    const kind = statSync(path);
    if (kind.isFile() || kind.isDirectory()) syncOne(path);
  }
  syncOne(directory);
  syncOne(join(directory, ".."));
}

function syncOne(path: string): void {
  const fd = openSync(path, "r");
  fsyncSync(fd);
  closeSync(fd);
}
