/** Whether a running node is alone in a network that nobody has used: nothing is lost when it gives way. */

import { MyceliumError } from "../base/index.ts";
import { type LocalClient, readBounded } from "../client/index.ts";
import { list, mapped, object, text } from "../domain/wire/index.ts";

const ANSWER_SIZE_MAX = 64 * 1_024;
const COUNT_TABLES =
  "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' " +
  "AND name NOT LIKE '\\_mycelium%' ESCAPE '\\'";

const cell = mapped(object({ value: text(20) }), ({ value }) => Number(value));
const countShape = object({
  results: list(
    object({ response: object({ result: object({ rows: list(list(cell, 1), 1) }) }) }),
    1,
  ),
});

/** Throws ALREADY_MEMBER when other nodes or tables are there. */
export async function assertUnused(client: LocalClient): Promise<void> {
  const status = await client.status();
  const tables = await countTables(client);
  if (status.peers.length === 0 && tables === 0) return;
  const found = status.peers.length > 0 ? "other nodes" : "tables";
  throw new MyceliumError(
    "ALREADY_MEMBER",
    `Cannot join: this node is in the network ${status.network.name}, found ${found} there; ` +
      "run `mycelium leave` first (with --wipe to delete its data)",
  );
}

async function countTables(client: LocalClient): Promise<number> {
  const requests = [{ type: "execute", stmt: { sql: COUNT_TABLES, want_rows: true } }];
  const response = await client.fetch("/v3/pipeline", {
    method: "POST",
    headers: { "content-type": "application/json", "mycelium-consistency": "local" },
    body: JSON.stringify({ baton: null, requests }),
  });

  const body = await readBounded(response, ANSWER_SIZE_MAX, "the count of tables");
  const answer = countShape(JSON.parse(body), "the count of tables");
  return answer.results[0]?.response.result.rows[0]?.[0] ?? 0;
}
