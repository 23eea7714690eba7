/** What clients other than `@libsql/client` use of the protocol, as raw requests. */

import { describe, expect, test } from "bun:test";
import type { SuiteNode } from "./suite-node.ts";

interface RawAnswer {
  readonly baton: string | null;
  readonly results: readonly {
    readonly error?: { readonly code: string; readonly extended_code?: string };
    readonly response?: Record<string, unknown>;
  }[];
}

export function protocolCases(node: () => SuiteNode): void {
  const post = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(node().url + path, {
      method: "POST",
      headers: { authorization: `Bearer ${node().writeToken}`, ...headers },
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(200);
    return response;
  };
  const pipeline = async (
    requests: unknown[],
    options: { baton?: string | null; headers?: Record<string, string> } = {},
  ) => {
    const body = { baton: options.baton ?? null, requests };
    return (await (await post("/v3/pipeline", body, options.headers)).json()) as RawAnswer;
  };
  const execute = (text: string) => ({ type: "execute", stmt: { sql: text } });
  const count = execute("SELECT count(*) AS n FROM items");
  const countOf = (answer: RawAnswer, at: number) => {
    const result = answer.results[at]?.response?.["result"] as { rows: { value: string }[][] };
    return result.rows[0]?.[0]?.value;
  };

  describe("the protocol", () => {
    test("a stream keeps SQL and its transaction from request to request", async () => {
      const insert = "INSERT INTO items (name) VALUES ('a')";
      const first = await pipeline([
        { type: "store_sql", sql_id: 1, sql: insert },
        execute("BEGIN"),
        { type: "execute", stmt: { sql_id: 1 } },
        { type: "get_autocommit" },
      ]);
      expect(first.results[3]?.response).toMatchObject({ is_autocommit: false });
      const { baton } = first;
      const second = await pipeline([{ type: "execute", stmt: { sql_id: 1 } }, count], { baton });
      expect(second.results[0]?.error).toMatchObject({
        code: "SQLITE_CONSTRAINT",
        extended_code: "SQLITE_CONSTRAINT_UNIQUE",
      });
      expect(countOf(second, 1)).toBe("1");
      const third = await pipeline([execute("COMMIT"), count, { type: "close" }], {
        baton: second.baton,
      });
      expect(third.baton).toBeNull();
      expect(countOf(third, 1)).toBe("1");
    });

    test("a repeated request id is applied once", async () => {
      const headers = { "mycelium-request-id": `once-${crypto.randomUUID()}` };
      const requests = [execute("INSERT INTO items (data) VALUES (1) RETURNING id")];
      const first = await pipeline(requests, { headers });
      expect((await pipeline(requests, { headers })).results).toEqual(first.results as never);
      expect(countOf(await pipeline([count, { type: "close" }]), 0)).toBe("1");
    });

    test("every consistency reads what was written here", async () => {
      await pipeline([execute("INSERT INTO items (data) VALUES (1)"), { type: "close" }]);
      for (const level of ["strong", "bounded=10s"]) {
        const headers = { "mycelium-consistency": level };
        expect(countOf(await pipeline([count, { type: "close" }], { headers }), 0)).toBe("1");
      }
      const local = await pipeline([count, { type: "close" }], {
        headers: { "mycelium-consistency": "local" },
      });
      expect(local.results[0]?.error).toBeUndefined();
    });

    test("describe tells parameters and columns without running", async () => {
      const { results } = await pipeline([
        { type: "describe", sql: "SELECT id, name AS label FROM items WHERE id = ? AND name = ?" },
        { type: "describe", sql: "INSERT INTO items (name) VALUES (:name)" },
        { type: "describe", sql: "EXPLAIN SELECT 1" },
        { type: "describe", sql: "SELECT * FROM nowhere" },
        count,
        { type: "close" },
      ]);
      expect(results[0]?.response?.["result"]).toEqual({
        params: [{ name: null }, { name: null }],
        cols: [
          { name: "id", decltype: "INTEGER" },
          { name: "label", decltype: "TEXT" },
        ],
        is_explain: false,
        is_readonly: true,
      });
      expect(results[1]?.response?.["result"]).toMatchObject({
        params: [{ name: ":name" }],
        is_readonly: false,
      });
      expect(results[2]?.response?.["result"]).toMatchObject({ is_explain: true });
      expect(results[3]?.error?.code).toBe("SQLITE_ERROR");
      expect(results[4]?.error).toBeUndefined();
    });

    test("a cursor streams the entries of a batch", async () => {
      const steps = [
        { stmt: { sql: "INSERT INTO items (name) VALUES ('a'), ('b') RETURNING name" } },
        { stmt: { sql: "SELECT * FROM nowhere" } },
        { stmt: { sql: "SELECT 1" }, condition: { type: "ok", step: 1 } },
      ];
      const response = await post("/v3/cursor", { batch: { steps } });
      const lines = (await response.text()).trimEnd().split("\n");
      const types = lines.slice(1).map((line) => (JSON.parse(line) as { type: string }).type);
      expect(types).toEqual(["step_begin", "row", "row", "step_end", "step_error"]);
    });
  });
}
