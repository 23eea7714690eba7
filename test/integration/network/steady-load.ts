/** A steady load of inserts through all nodes that are up, and the ids whose insert was acknowledged. */

import type { Cluster } from "../../cluster/cluster.ts";
import { until } from "../../cluster/processes.ts";
import { SqlClient } from "../../cluster/sql-client.ts";

const WRITER_COUNT = 4;
/** A node's clients try elsewhere after this. */
const TIMEOUT_MS = 3_000;
/** Between two tries while no node takes a write. */
const RETRY_MS = 5;

export class SteadyLoad {
  readonly acknowledged = new Set<string>();
  readonly #cluster: Cluster;
  readonly #client: SqlClient;
  #writers: Promise<void>[] = [];
  #stopped = false;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#client = new SqlClient(() => cluster.token);
  }

  /** Makes the table `load`, whose rows have an `id` each. */
  async start(): Promise<void> {
    await this.#cluster.upNodes[0]?.command("sql", "CREATE TABLE load (id TEXT NOT NULL)");
    this.#writers = Array.from({ length: WRITER_COUNT }, (_, writer) => this.#write(writer));
  }

  /** Resolves once `count` more writes are acknowledged. */
  async more(count: number): Promise<void> {
    const wanted = this.acknowledged.size + count;
    await until(`${count} more writes`, async () => this.acknowledged.size >= wanted || null);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#writers);
    this.#client.close();
  }

  async #write(writer: number): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      const { upNodes } = this.#cluster;
      const node = upNodes[(writer + i) % upNodes.length];
      if (node === undefined) throw new Error("no node is up");
      const id = `${writer}-${i}`;
      const insert = { sql: "INSERT INTO load VALUES (?)", args: [id] };
      const told = await this.#client.run(node.target, [insert], { timeoutMs: TIMEOUT_MS });
      if (told.kind === "ok") this.acknowledged.add(id);
      else await Bun.sleep(RETRY_MS);
    }
  }
}
