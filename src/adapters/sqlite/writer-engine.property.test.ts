import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Request } from "../../domain/replication/index.ts";
import type { SqlValue, Step } from "../../domain/sql/index.ts";
import { Replica, request, step } from "./engine-fixture.ts";

const SCHEMA = [
  "CREATE TABLE plain (a INTEGER PRIMARY KEY, b TEXT UNIQUE, c REAL DEFAULT (random()))",
  "CREATE TABLE keyless (a, b)",
  "CREATE TABLE nullable (k TEXT PRIMARY KEY, v)",
  "CREATE TABLE auto (id INTEGER PRIMARY KEY AUTOINCREMENT, v UNIQUE)",
  "CREATE TABLE wide (k1 INT, k2 TEXT, g AS (k1 * 2) STORED, PRIMARY KEY (k1, k2)) WITHOUT ROWID",
  "CREATE TABLE child (id INTEGER PRIMARY KEY, p INTEGER REFERENCES plain (a) ON DELETE CASCADE)",
  "CREATE TABLE late (id INTEGER PRIMARY KEY, p REFERENCES plain (a) DEFERRABLE INITIALLY DEFERRED)",
  "CREATE TABLE audit (n INTEGER PRIMARY KEY, at TEXT DEFAULT CURRENT_TIMESTAMP, what)",
  `CREATE TRIGGER watch AFTER INSERT ON plain BEGIN
     INSERT INTO audit (what) VALUES (new.b || last_insert_rowid() || changes());
     SELECT RAISE(ROLLBACK, 'seven') WHERE new.a = 7;
   END`,
  "CREATE VIRTUAL TABLE doc USING fts5 (body)",
  "CREATE VIRTUAL TABLE box USING rtree (id, x0, x1)",
];

const STATEMENTS: readonly string[] = [
  "INSERT INTO plain (a, b) VALUES (?1, ?2)",
  "INSERT OR IGNORE INTO plain (a, b) VALUES (?1, ?2)",
  "INSERT OR REPLACE INTO plain (a, b) VALUES (?1, ?2)",
  "INSERT OR ROLLBACK INTO plain (a, b) VALUES (?1, ?2)",
  "INSERT OR FAIL INTO plain (b) SELECT b || 'x' FROM plain UNION ALL SELECT ?2",
  "INSERT INTO plain (a, b) VALUES (?1, ?2) ON CONFLICT (a) DO UPDATE SET b = excluded.b || random()",
  "UPDATE plain SET b = b || ?2 WHERE a > ?1 RETURNING *",
  "DELETE FROM plain WHERE a = ?1",
  "INSERT INTO keyless VALUES (?1, hex(randomblob(4)))",
  "DELETE FROM keyless WHERE rowid % 3 = ?1 % 3",
  "UPDATE keyless SET a = changes(), b = total_changes()",
  "INSERT INTO nullable VALUES (nullif(?1, 3), last_insert_rowid())",
  "INSERT INTO auto (v) VALUES (?1) RETURNING id",
  "INSERT OR IGNORE INTO auto (v) VALUES (?1)",
  "DELETE FROM auto WHERE id < ?1",
  "INSERT INTO wide (k1, k2) VALUES (?1, ?2)",
  "UPDATE wide SET k1 = k1 + 1",
  "INSERT INTO child (p) VALUES (?1)",
  "INSERT INTO late (p) VALUES (?1)",
  "INSERT INTO audit (what) VALUES (datetime('now') || julianday('now', 'localtime') || unixepoch())",
  "INSERT INTO doc VALUES (?2)",
  "DELETE FROM doc WHERE rowid = ?1",
  "INSERT INTO doc (doc) VALUES ('optimize')",
  "INSERT OR REPLACE INTO box VALUES (?1, ?1, ?1 + 1)",
  "DELETE FROM box WHERE x0 > ?1",
  "SELECT count(*), random() FROM plain",
  "INSERT INTO nowhere VALUES (1)",
  "BEGIN",
  "BEGIN IMMEDIATE",
  "COMMIT",
  "ROLLBACK",
  "SAVEPOINT a",
  "RELEASE a",
  "ROLLBACK TO a",
  "PRAGMA foreign_keys = OFF",
  "PRAGMA defer_foreign_keys = ON",
  "CREATE TABLE made (x, y)",
  "INSERT INTO made VALUES (?1, ?2)",
  "ALTER TABLE made RENAME TO renamed",
  "DROP TABLE IF EXISTS renamed",
];

const value: fc.Arbitrary<SqlValue> = fc.integer({ min: 0, max: 9 }).map(BigInt);
const anyStep: fc.Arbitrary<Step> = fc
  .tuple(fc.constantFrom(...STATEMENTS), value, fc.constantFrom("x", "y", "z", "o'o"))
  .map(([text, number, word]) => step(text, text.includes("?") ? [number, word] : []));
const anyRequest: fc.Arbitrary<Step[]> = fc.array(anyStep, { minLength: 1, maxLength: 6 });
const anyBatch: fc.Arbitrary<Step[][]> = fc.array(anyRequest, { minLength: 1, maxLength: 6 });

function applyAll(leader: Replica, follower: Replica): void {
  const digests = follower.engine.apply(leader.log);
  expect(digests.map(String)).toEqual(leader.digests.map(String));
}

/** Runs the parts as one client's interactive transaction, as far as it goes, and logs what came of it. */
function leadInteractive(leader: Replica, parts: readonly (readonly Step[])[]): void {
  const context = leader.context();
  const executed: Step[] = [];
  leader.engine.beginInteractive(context, "write");
  for (const part of [[step("BEGIN")], ...parts, [step("COMMIT")]]) {
    const { autocommit } = leader.engine.stepInteractive({ steps: part }, 0);
    executed.push(...part);
    if (autocommit) break;
  }
  const whole = request(executed);
  const { outcomes, digest } = leader.engine.sealInteractive(whole);
  if (outcomes[0]?.kind === "applied") leader.record(context, [whole], digest);
}

test("a follower that executes the log agrees with its leader in digests and tables", () => {
  fc.assert(
    fc.property(fc.array(anyBatch, { minLength: 1, maxLength: 8 }), (batches) => {
      const leader = new Replica();
      const follower = new Replica();
      leader.lead([request(SCHEMA.map((text) => step(text)))]);
      for (const steps of batches) {
        const requests: Request[] = steps.map((one) => request(one));
        leader.lead(requests);
      }
      applyAll(leader, follower);
      expect(follower.tableHashes()).toEqual(leader.tableHashes());
      leader.engine.close();
      follower.engine.close();
    }),
    { includeErrorInReport: true, numRuns: Number(process.env["MYCELIUM_TEST_RUNS"] ?? 60) },
  );
}, 120_000);

test("interactive transactions come out alike on a follower", () => {
  fc.assert(
    fc.property(fc.array(anyBatch, { minLength: 1, maxLength: 5 }), (transactions) => {
      const leader = new Replica();
      const follower = new Replica();
      leader.lead([request(SCHEMA.map((text) => step(text)))]);
      for (const parts of transactions) leadInteractive(leader, parts);
      applyAll(leader, follower);
      expect(follower.tableHashes()).toEqual(leader.tableHashes());
      leader.engine.close();
      follower.engine.close();
    }),
    { includeErrorInReport: true, numRuns: Number(process.env["MYCELIUM_TEST_RUNS"] ?? 40) },
  );
}, 120_000);
