/**
 * What libSQL's clients and the tools on top of them must find on whatever serves Hrana. Call `libsqlSuite` with a
 * function that starts a node; the same cases run on one SQLite file and on a real network.
 */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { type Client, createClient, type LibsqlError, type ResultSet } from "@libsql/client/http";
import { protocolCases } from "./protocol-cases.ts";
import type { SuiteNode } from "./suite-node.ts";

/** A column of a result's first row. */
function cell(result: ResultSet | undefined, column: string): unknown {
  return result?.rows[0]?.[column];
}

async function errorOf(promise: Promise<unknown>): Promise<LibsqlError> {
  try {
    await promise;
  } catch (error) {
    return error as LibsqlError;
  }
  throw new Error("was accepted");
}

export function libsqlSuite(name: string, startNode: () => SuiteNode | Promise<SuiteNode>): void {
  describe(`libSQL clients on ${name}`, () => {
    let node: SuiteNode;
    let client: Client;

    beforeAll(async () => {
      node = await startNode();
      client = createClient({ url: node.url, authToken: node.writeToken });
    });
    afterAll(async () => {
      client.close();
      await node.stop();
    });
    beforeEach(async () => {
      await client.batch(
        [
          "DROP TABLE IF EXISTS items",
          "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT UNIQUE, data)",
        ],
        "write",
      );
    });

    const names = async () => {
      const { rows } = await client.execute("SELECT name FROM items ORDER BY id");
      return rows.map((row) => row[0]);
    };

    statementCases(() => client);
    errorCases(() => client, names);
    batchCases(() => client, names);
    transactionCases(() => client, names);
    tokenCases(() => node);
    protocolCases(() => node);
  });
}

function statementCases(client: () => Client): void {
  describe("statements", () => {
    test("a write tells its row id and count, a read its columns", async () => {
      const inserted = await client().execute("INSERT INTO items (name) VALUES ('a'), ('b')");
      expect(inserted.rowsAffected).toBe(2);
      expect(inserted.lastInsertRowid).toBe(2n);
      const read = await client().execute("SELECT id, name AS label FROM items ORDER BY id");
      expect(read.columns).toEqual(["id", "label"]);
      expect(read.columnTypes).toEqual(["INTEGER", "TEXT"]);
      expect(read.rows.map((row) => [...Array.from(row as unknown as unknown[])])).toEqual([
        [1, "a"],
        [2, "b"],
      ]);
    });

    test("positional and named arguments are bound", async () => {
      const sql = "SELECT ? AS a, ? AS b";
      expect((await client().execute({ sql, args: ["x", 1.5] })).rows[0]).toMatchObject({
        a: "x",
        b: 1.5,
      });
      const named = await client().execute({
        sql: "SELECT :a AS a, $b AS b, @c AS c",
        args: { a: 1n, $b: 2n, "@c": 3n },
      });
      expect(named.rows[0]).toMatchObject({ a: 1, b: 2, c: 3 });
    });

    test("RETURNING gives rows", async () => {
      const { rows } = await client().execute(
        "INSERT INTO items (name) VALUES ('a') RETURNING id, name",
      );
      expect(rows[0]).toMatchObject({ id: 1, name: "a" });
    });

    test("the extremes of every type come back as they went", async () => {
      const wide = createWide(client());
      const blob = crypto.getRandomValues(new Uint8Array(100_000));
      const values = [2n ** 63n - 1n, -(2n ** 63n), 0n, 1.5e308, -0.1, "", "ünï\u0000cödé 🍄"];
      for (const value of values) expect(await wide(value)).toEqual(value);
      expect(await wide(null)).toBeNull();
      expect(new Uint8Array((await wide(blob)) as ArrayBuffer)).toEqual(blob);
      expect(new Uint8Array((await wide(new Uint8Array(0))) as ArrayBuffer).length).toBe(0);
    });

    test("integers above 2^53 arrive exactly", async () => {
      const exact = await client().execute("SELECT CAST(9007199254740993 AS TEXT) AS t");
      expect(cell(exact, "t")).toBe("9007199254740993");
    });

    test("executeMultiple() runs a script with a trigger", async () => {
      await client().executeMultiple(`
        INSERT INTO items (name) VALUES ('a;b');
        CREATE TRIGGER items_mark AFTER INSERT ON items BEGIN
          UPDATE items SET data = 'marked' WHERE id = new.id;
        END;
        INSERT INTO items (name) VALUES ('c');
      `);
      const { rows } = await client().execute("SELECT name, data FROM items ORDER BY id");
      expect(rows.map(({ name, data }) => [name, data])).toEqual([
        ["a;b", null],
        ["c", "marked"],
      ]);
    });
  });
}

/** Sends a value through a table and back. */
function createWide(client: Client) {
  return async (value: null | bigint | number | string | Uint8Array): Promise<unknown> => {
    await client.execute("DELETE FROM items");
    await client.execute({ sql: "INSERT INTO items (data) VALUES (?)", args: [value] });
    if (typeof value !== "bigint")
      return cell(await client.execute("SELECT data FROM items"), "data");
    const text = await client.execute("SELECT CAST(data AS TEXT) AS t FROM items");
    return BigInt(String(cell(text, "t")));
  };
}

function errorCases(client: () => Client, names: () => Promise<unknown[]>): void {
  describe("errors", () => {
    test("carry SQLite's code and message", async () => {
      await client().execute("INSERT INTO items (name) VALUES ('a')");
      const unique = await errorOf(client().execute("INSERT INTO items (name) VALUES ('a')"));
      expect(unique.code).toBe("SQLITE_CONSTRAINT");
      expect(unique.message).toContain("UNIQUE constraint failed: items.name");
      const missing = await errorOf(client().execute("SELECT * FROM nowhere"));
      expect(missing.code).toBe("SQLITE_ERROR");
      expect(missing.message).toContain("no such table: nowhere");
      const syntax = await errorOf(client().execute("SELEC 1"));
      expect(syntax.code).toBe("SQLITE_ERROR");
      expect(syntax.message).toContain("syntax error");
    });

    test("a failed statement leaves nothing behind", async () => {
      await errorOf(client().execute("INSERT INTO items (id, name) VALUES (1, 'a'), (1, 'b')"));
      expect(await names()).toEqual([]);
    });

    test("two statements in one execute are refused", async () => {
      const error = await errorOf(client().execute("SELECT 1; SELECT 2"));
      expect(error.code).toBe("SQL_MANY_STATEMENTS");
    });

    test("a script stops at its first error", async () => {
      const script =
        "INSERT INTO items (name) VALUES ('a'); SELEC; INSERT INTO items (name) VALUES ('b')";
      expect((await errorOf(client().executeMultiple(script))).code).toBe("SQLITE_ERROR");
      expect(await names()).toEqual(["a"]);
    });
  });
}

function batchCases(client: () => Client, names: () => Promise<unknown[]>): void {
  describe("batches", () => {
    test("apply as a whole", async () => {
      const results = await client().batch(
        [
          "INSERT INTO items (name) VALUES ('a')",
          { sql: "INSERT INTO items (name) VALUES (?)", args: ["b"] },
          "SELECT count(*) AS n FROM items",
        ],
        "write",
      );
      expect(results.map(({ rowsAffected }) => rowsAffected)).toEqual([1, 1, 0]);
      expect(cell(results[2], "n")).toBe(2);
    });

    test("fail as a whole, and say where", async () => {
      const error = await errorOf(
        client().batch(
          [
            "INSERT INTO items (name) VALUES ('a')",
            "INSERT INTO items (name) VALUES ('a')",
            "INSERT INTO items (name) VALUES ('c')",
          ],
          "write",
        ),
      );
      expect(error.code).toBe("SQLITE_CONSTRAINT");
      expect((error as { statementIndex?: number }).statementIndex).toBe(1);
      expect(await names()).toEqual([]);
    });

    test("of reads run in every mode", async () => {
      await client().execute("INSERT INTO items (name) VALUES ('a')");
      for (const mode of ["read", "deferred", "write"] as const) {
        const results = await client().batch(["SELECT name FROM items", "SELECT 1 AS one"], mode);
        expect(cell(results[0], "name")).toBe("a");
        expect(cell(results[1], "one")).toBe(1);
      }
    });

    test("with 500 statements keep their order", async () => {
      const statements = Array.from({ length: 500 }, (_, i) => ({
        sql: "INSERT INTO items (id, name) VALUES (?, ?)",
        args: [i + 1, `n${i}`],
      }));
      await client().batch(statements, "write");
      expect((await names()).length).toBe(500);
    });

    test("migrate() changes a table that others refer to", async () => {
      await client().batch(
        [
          "DROP TABLE IF EXISTS parts",
          "CREATE TABLE parts (item INTEGER REFERENCES items(id) ON DELETE CASCADE)",
          "INSERT INTO items (id, name) VALUES (1, 'a')",
          "INSERT INTO parts VALUES (1)",
        ],
        "write",
      );
      await client().migrate([
        "CREATE TABLE items_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL, data)",
        "INSERT INTO items_new SELECT * FROM items",
        "DROP TABLE items",
        "ALTER TABLE items_new RENAME TO items",
      ]);
      expect(cell(await client().execute("SELECT count(*) AS n FROM parts"), "n")).toBe(1);
      expect(await names()).toEqual(["a"]);
      await client().execute("DROP TABLE parts");
    });
  });
}

function transactionCases(client: () => Client, names: () => Promise<unknown[]>): void {
  describe("interactive transactions", () => {
    test("commit what they did, reading their own writes", async () => {
      const transaction = await client().transaction("write");
      await transaction.execute("INSERT INTO items (name) VALUES ('a')");
      const own = await transaction.execute("SELECT count(*) AS n FROM items");
      expect(cell(own, "n")).toBe(1);
      expect(await names()).toEqual([]);
      await transaction.commit();
      expect(await names()).toEqual(["a"]);
    });

    test("roll back on demand, on close, and keep going after a failed statement", async () => {
      const first = await client().transaction("write");
      await first.execute("INSERT INTO items (name) VALUES ('a')");
      await first.rollback();
      expect(await names()).toEqual([]);

      const second = await client().transaction("write");
      await second.execute("INSERT INTO items (name) VALUES ('a')");
      second.close();

      const third = await client().transaction("write");
      await third.execute("INSERT INTO items (name) VALUES ('b')");
      const error = await errorOf(third.execute("INSERT INTO items (name) VALUES ('b')"));
      expect(error.code).toBe("SQLITE_CONSTRAINT");
      await third.execute("INSERT INTO items (name) VALUES ('c')");
      await third.commit();
      expect(await names()).toEqual(["b", "c"]);
    });

    test("batches and scripts run inside them", async () => {
      const transaction = await client().transaction("deferred");
      await transaction.batch([
        "INSERT INTO items (name) VALUES ('a')",
        { sql: "INSERT INTO items (name) VALUES (?)", args: ["b"] },
      ]);
      await transaction.executeMultiple("INSERT INTO items (name) VALUES ('c'); SELECT 1");
      await transaction.commit();
      expect(await names()).toEqual(["a", "b", "c"]);
    });

    test("savepoints nest inside them", async () => {
      const transaction = await client().transaction("write");
      await transaction.execute("INSERT INTO items (name) VALUES ('a')");
      await transaction.execute("SAVEPOINT sp1");
      await transaction.execute("INSERT INTO items (name) VALUES ('b')");
      await transaction.execute("ROLLBACK TO SAVEPOINT sp1");
      await transaction.execute("RELEASE sp1");
      await transaction.commit();
      expect(await names()).toEqual(["a"]);
    });

    test("a read transaction keeps its snapshot and may not write", async () => {
      await client().execute("INSERT INTO items (name) VALUES ('a')");
      const transaction = await client().transaction("read");
      const count = async () =>
        cell(await transaction.execute("SELECT count(*) AS n FROM items"), "n");
      expect(await count()).toBe(1);
      await client().execute("INSERT INTO items (name) VALUES ('b')");
      expect(await count()).toBe(1);
      const error = await errorOf(transaction.execute("INSERT INTO items (name) VALUES ('c')"));
      expect(["SQLITE_READONLY", "SQLITE_AUTH"]).toContain(error.code);
      await transaction.rollback();
      expect(await names()).toEqual(["a", "b"]);
    });

    test("two at once take turns", async () => {
      const first = await client().transaction("write");
      await first.execute("INSERT INTO items (name) VALUES ('first')");
      const second = await client().transaction("write");
      const waiting = second.execute("INSERT INTO items (name) VALUES ('second')");
      await first.commit();
      await waiting;
      await second.commit();
      expect(await names()).toEqual(["first", "second"]);
    });

    test("a savepoint alone is a transaction", async () => {
      await client().executeMultiple(
        "SAVEPOINT a; INSERT INTO items (name) VALUES ('a'); RELEASE a; " +
          "SAVEPOINT b; INSERT INTO items (name) VALUES ('b'); ROLLBACK TO b; RELEASE b",
      );
      expect(await names()).toEqual(["a"]);
    });

    test("COMMIT without BEGIN is SQLite's error", async () => {
      const error = await errorOf(client().execute("COMMIT"));
      expect(error.code).toBe("SQLITE_ERROR");
      expect(error.message).toContain("no transaction is active");
    });
  });
}

function tokenCases(node: () => SuiteNode): void {
  describe("tokens", () => {
    test("a missing or wrong token is refused with what to do", async () => {
      for (const authToken of [undefined, "wrong"]) {
        const client = createClient({ url: node().url, ...(authToken ? { authToken } : {}) });
        const error = await errorOf(client.execute("SELECT 1"));
        expect(error.message).toContain("Cannot");
        client.close();
      }
      const response = await fetch(`${node().url}/v2/pipeline`, { method: "POST", body: "{}" });
      expect(response.status).toBe(401);
    });

    test("a read-only token reads and does not write", async () => {
      const client = createClient({ url: node().url, authToken: node().readToken });
      expect(cell(await client.execute("SELECT 1 AS one"), "one")).toBe(1);
      expect(cell((await client.batch(["SELECT 1 AS one"]))[0], "one")).toBe(1);
      const insert = "INSERT INTO items (name) VALUES ('a')";
      const attempts = [
        () => client.execute(insert),
        () => client.batch([insert], "write"),
        () => client.executeMultiple(insert),
        async () => (await client.transaction("write")).execute(insert),
      ];
      for (const attempt of attempts) {
        expect((await errorOf(attempt())).code).toBe("SQLITE_READONLY");
      }
      client.close();
    });
  });
}
