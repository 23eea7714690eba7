import { beforeEach, describe, expect, test } from "bun:test";
import { CLOSE, execute, GatewayFixture } from "./gateway-fixture.ts";

let node: GatewayFixture;

beforeEach(() => {
  node = new GatewayFixture();
});

describe("streams", () => {
  test("without state cost nothing and never expire", async () => {
    const { baton } = await node.pipeline([execute("SELECT 1")]);
    expect(node.gateway.streamCount).toBe(0);
    node.clock.advance(1e9);
    const next = await node.pipeline([execute("SELECT 1")], { baton });
    expect(next.baton).not.toBe(baton);
  });

  test("keep stored SQL until it is closed", async () => {
    const store = { type: "store_sql", sql_id: 1, sql: "SELECT 'stored'" };
    const use = { type: "execute", stmt: { sql_id: 1 } };
    const first = await node.pipeline([store, use, store]);
    expect(first.results.map(({ error }) => error?.code)).toEqual([
      undefined,
      undefined,
      "SQL_STORE_EXISTS",
    ]);
    expect(node.gateway.streamCount).toBe(1);
    const { baton } = first;
    const second = await node.pipeline([use, { type: "close_sql", sql_id: 1 }, use], { baton });
    expect(second.results.map(({ error }) => error?.code)).toEqual([
      undefined,
      undefined,
      "SQL_NOT_FOUND",
    ]);
    expect(node.gateway.streamCount).toBe(0);
  });

  test("store no more than their limit", async () => {
    const store = (id: number, length: number) => ({
      type: "store_sql",
      sql_id: id,
      sql: "x".repeat(length),
    });
    node = new GatewayFixture({ storedSqlCountMax: 2, storedSqlLengthMax: 10 });
    const { results } = await node.pipeline([
      store(1, 6),
      store(2, 5),
      store(3, 4),
      store(4, 0),
      CLOSE,
    ]);
    expect(results.map(({ type }) => type)).toEqual(["ok", "error", "ok", "error", "ok"]);
    expect(node.gateway.streamCount).toBe(0);
  });

  test("are refused beyond their number, and count again when one closes", async () => {
    node = new GatewayFixture({ streamCountMax: 1 });
    const { baton } = await node.pipeline([execute("BEGIN")]);
    const refused = await node.pipeline([execute("BEGIN"), CLOSE]);
    expect(refused.results[0]?.error?.code).toBe("OVERLOADED");
    await node.pipeline([CLOSE], { baton });
    expect((await node.pipeline([execute("BEGIN"), CLOSE])).results[0]?.type).toBe("ok");
    expect(node.gateway.streamCount).toBe(0);
  });

  test("try a program that may end its transaction at once, and hold it open when it does not end", async () => {
    const steps = ["BEGIN", "INSERT INTO t VALUES (1)", "COMMIT"].map((sql, i) => ({
      stmt: { sql },
      ...(i === 0 ? {} : { condition: { type: "ok", step: i - 1 } }),
    }));
    const batch = { type: "batch", batch: { steps } };
    await node.pipeline([batch]);
    const program = steps.map(({ stmt }) => stmt.sql).join("; ");
    expect(node.sql.calls).toEqual([`write ${program}`]);
    node.sql.staysOpen = true;
    await node.pipeline([batch, CLOSE]);
    expect(node.sql.calls.slice(1)).toEqual([`write ${program}`, "begin write", `step ${program}`]);
    expect(node.sql.openCount).toBe(0);
  });

  test("roll back when they expire", async () => {
    const { baton } = await node.pipeline([execute("BEGIN")]);
    node.clock.advance(9_000);
    expect(node.sql.openCount).toBe(1);
    node.clock.advance(4_000);
    expect(node.sql.openCount).toBe(0);
    expect(node.gateway.streamCount).toBe(0);
    expect(await node.refusal({ baton, requests: [] })).toEqual([400, "STREAM_EXPIRED"]);
  });

  test("a baton works once, for its own role, and cannot be forged", async () => {
    const { baton } = await node.pipeline([execute("BEGIN")]);
    const body = { baton, requests: [execute("SELECT 1")] };
    expect(await node.refusal(body, { token: "ro" })).toEqual([403, "FORBIDDEN"]);
    await node.pipeline([execute("SELECT 1")], { baton });
    expect(await node.refusal(body)).toEqual([400, "BATON_REUSED"]);
    const text = baton ?? "";
    for (let i = 0; i < text.length; i++) {
      const flipped = text.slice(0, i) + (text[i] === "A" ? "B" : "A") + text.slice(i + 1);
      expect(await node.refusal({ baton: flipped, requests: [] })).toEqual([400, "BATON_INVALID"]);
    }
  });

  test("a baton cannot be used while its request is running", async () => {
    const { baton } = await node.pipeline([execute("BEGIN")]);
    const gate = Promise.withResolvers<void>();
    node.sql.gate = gate.promise;
    const running = node.whenArrived(() => node.pipeline([execute("SELECT 1")], { baton }));
    await running.arrived;
    expect(await node.refusal({ baton, requests: [] })).toEqual([400, "BATON_REUSED"]);
    gate.resolve();
    expect((await running.answer).results[0]?.type).toBe("ok");
  });

  test("requests behind close are refused", async () => {
    const { results, baton } = await node.pipeline([CLOSE, execute("SELECT 1")]);
    expect(results[1]?.error?.code).toBe("STREAM_CLOSED");
    expect(baton).toBeNull();
  });

  test("get_autocommit tells whether a transaction is open", async () => {
    const ask = { type: "get_autocommit" };
    const { results } = await node.pipeline([
      ask,
      execute("BEGIN"),
      ask,
      execute("COMMIT"),
      ask,
      CLOSE,
    ]);
    const told = results.map(
      ({ response }) => (response as { is_autocommit?: boolean } | undefined)?.is_autocommit,
    );
    expect(told).toEqual([true, undefined, false, undefined, true, undefined]);
  });
});

describe("failures", () => {
  test("of the network are results with their own code; the stream goes on", async () => {
    for (const code of ["NO_QUORUM", "OUTCOME_UNKNOWN", "OVERLOADED"] as const) {
      node.sql.failWith = code;
      const { results, baton } = await node.pipeline([
        execute("INSERT"),
        { type: "get_autocommit" },
      ]);
      expect(results[0]?.error).toMatchObject({ code, message: `failed: ${code}` });
      expect(results[1]?.type).toBe("ok");
      expect(baton).not.toBeNull();
    }
  });

  test("of a full disk or a node that may not write are SQLite's", async () => {
    for (const [code, shown] of [
      ["DISK_FULL", "SQLITE_FULL"],
      ["READ_ONLY", "SQLITE_READONLY"],
    ] as const) {
      node.sql.failWith = code;
      expect((await node.pipeline([execute("INSERT"), CLOSE])).results[0]?.error?.code).toBe(shown);
    }
  });

  test("to tell a lost leader about the end are no failures of the client's", async () => {
    const { baton } = await node.pipeline([execute("BEGIN")]);
    const other = await node.pipeline([execute("BEGIN")]);
    node.sql.failWith = "UNREACHABLE";
    const { results } = await node.pipeline([CLOSE], { baton });
    expect(results).toEqual([{ type: "ok", response: { type: "close" } }]);
    await node.pipeline([execute("INSERT"), CLOSE], { baton: other.baton });
    expect(node.gateway.streamCount).toBe(0);
  });

  test("that lose a transaction let nothing through until the client ends it", async () => {
    const { baton } = await node.pipeline([execute("BEGIN"), execute("INSERT")]);
    node.sql.failWith = "OUTCOME_UNKNOWN";
    const lost = await node.pipeline([execute("INSERT")], { baton });
    expect(lost.results[0]?.error?.code).toBe("OUTCOME_UNKNOWN");
    node.sql.failWith = null;
    node.sql.calls.length = 0;
    const after = await node.pipeline(
      [
        execute("INSERT"),
        { type: "get_autocommit" },
        execute("ROLLBACK"),
        execute("INSERT"),
        CLOSE,
      ],
      { baton: lost.baton },
    );
    expect(after.results.map(({ error }) => error?.code)).toEqual([
      "TRANSACTION_CLOSED",
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(after.results[1]?.response).toMatchObject({ is_autocommit: false });
    expect(node.sql.calls).toEqual(["write INSERT"]);
    expect(node.sql.openCount).toBe(0);
  });

  test("inside a statement that end the transaction are such a loss", async () => {
    const { baton } = await node.pipeline([execute("BEGIN")]);
    const error = { code: "SQLITE_INTERRUPT", extendedCode: 9, message: "interrupted" };
    node.sql.stepResult = { steps: [{ ok: false, error }], autocommit: true };
    const lost = await node.pipeline([execute("INSERT"), execute("INSERT"), execute("ROLLBACK")], {
      baton,
    });
    expect(lost.results.map(({ error }) => error?.code)).toEqual([
      "SQLITE_INTERRUPT",
      "TRANSACTION_CLOSED",
      undefined,
    ]);
    expect(node.sql.calls.filter((call) => call.startsWith("write"))).toEqual([]);
  });

  test("of COMMIT end the transaction: what became of it is in the error", async () => {
    const { baton } = await node.pipeline([execute("BEGIN")]);
    node.sql.failWith = "OUTCOME_UNKNOWN";
    const unknown = await node.pipeline([execute("COMMIT")], { baton });
    expect(unknown.results[0]?.error?.code).toBe("OUTCOME_UNKNOWN");
    node.sql.failWith = null;
    const after = await node.pipeline([execute("ROLLBACK"), CLOSE], { baton: unknown.baton });
    expect(after.results[0]?.error?.message).toBe("cannot rollback - no transaction is active");
  });

  test("COMMIT of a lost transaction fails and ends it", async () => {
    const { baton } = await node.pipeline([execute("BEGIN")]);
    node.sql.failWith = "NO_QUORUM";
    const lost = await node.pipeline([execute("INSERT")], { baton });
    node.sql.failWith = null;
    const { results } = await node.pipeline([execute("COMMIT"), execute("INSERT"), CLOSE], {
      baton: lost.baton,
    });
    expect(results.map(({ error }) => error?.code)).toEqual([
      "TRANSACTION_CLOSED",
      undefined,
      undefined,
    ]);
  });

  test("that are bugs are not hidden, and leave no stream behind", async () => {
    node.sql.read = () => Promise.reject(new TypeError("a bug"));
    const store = { type: "store_sql", sql_id: 1, sql: "x" };
    await expect(node.post({ requests: [store, execute("SELECT 1")] })).rejects.toThrow("a bug");
    expect(node.gateway.streamCount).toBe(0);
  });
});
