import { beforeEach, describe, expect, test } from "bun:test";
import { batch, CLOSE, execute, GatewayFixture, ONE } from "./gateway-fixture.ts";
import { type GatewayLimits, SqlGateway } from "./index.ts";

let node: GatewayFixture;

beforeEach(() => {
  node = new GatewayFixture();
});

describe("paths", () => {
  test("greetings need no token", async () => {
    for (const path of ["/", "/health", "/v2", "/v3"]) {
      const response = await node.gateway.handle(new Request(`http://node${path}`), {
        local: false,
      });
      expect(response.status).toBe(200);
      expect(SqlGateway.serves(path)).toBe(true);
    }
  });

  test("unknown paths and methods are refused", async () => {
    expect(await node.refusal(ONE, { path: "/v3-protobuf/pipeline" })).toEqual([404, "NOT_FOUND"]);
    expect(await node.refusal(ONE, { path: "/v2" })).toEqual([405, "METHOD_NOT_ALLOWED"]);
    expect(SqlGateway.serves("/metrics")).toBe(false);
  });
});

describe("tokens", () => {
  test("a request without a good token is refused before its body is read", async () => {
    expect(await node.refusal("{", { token: "bad" })).toEqual([401, "UNAUTHORIZED"]);
    expect(await node.refusal("{", { token: "join" })).toEqual([403, "FORBIDDEN"]);
    expect(await node.refusal("{", { headers: { authorization: "Basic x" } })).toEqual([
      401,
      "UNAUTHORIZED",
    ]);
    const long = `Bearer ${"x".repeat(5_000)}`;
    expect(await node.refusal("{", { headers: { authorization: long } })).toEqual([
      401,
      "UNAUTHORIZED",
    ]);
    expect(node.sql.calls).toEqual([]);
  });

  test("the Unix socket needs none", async () => {
    const request = new Request("http://node/v3/pipeline", {
      method: "POST",
      body: JSON.stringify({ requests: [execute("INSERT"), CLOSE] }),
    });
    expect((await node.gateway.handle(request, { local: true })).status).toBe(200);
    expect(node.sql.writes[0]?.role).toBe("write");
  });

  test("a good token is remembered until it expires, at most 5 s", async () => {
    await node.pipeline([CLOSE]);
    await node.pipeline([CLOSE]);
    expect(node.checkedTokens).toEqual(["rw"]);
    node.clock.advance(3_000);
    await node.pipeline([CLOSE]);
    expect(node.checkedTokens).toEqual(["rw", "rw"]);
  });

  test("a read-only token writes nothing", async () => {
    const { results } = await node.pipeline(
      [execute("INSERT"), batch("SELECT 1", "DELETE"), execute("BEGIN IMMEDIATE"), CLOSE],
      { token: "ro" },
    );
    expect(results.map(({ error }) => error?.code)).toEqual([
      "SQLITE_READONLY",
      "SQLITE_READONLY",
      "SQLITE_READONLY",
      undefined,
    ]);
    expect(node.sql.calls).toEqual([]);
  });
});

describe("routing", () => {
  test("reads are read, with the consistency of the header", async () => {
    await node.pipeline([execute("SELECT 1"), CLOSE]);
    for (const level of ["strong", "local", "bounded=500ms"]) {
      await node.pipeline([execute("SELECT 1"), CLOSE], {
        headers: { "mycelium-consistency": level },
      });
    }
    expect(node.sql.reads.map(({ consistency }) => consistency)).toEqual([
      { level: "strong" },
      { level: "strong" },
      { level: "local" },
      { level: "bounded", maxStaleMs: 500 },
    ]);
    expect(await node.refusal(ONE, { headers: { "mycelium-consistency": "weak" } })).toEqual([
      400,
      "CONSISTENCY_INVALID",
    ]);
  });

  test("a batch of reads in its own transaction is one read", async () => {
    await node.pipeline([batch("BEGIN DEFERRED", "SELECT 1", "COMMIT"), CLOSE]);
    expect(node.sql.calls).toEqual(["read BEGIN DEFERRED; SELECT 1; COMMIT"]);
  });

  test("a batch that ends the transaction it begins is one atomic write", async () => {
    await node.pipeline([batch("BEGIN", "INSERT", "COMMIT"), CLOSE]);
    expect(node.sql.calls).toEqual(["write BEGIN; INSERT; COMMIT"]);
  });

  test("a batch that leaves its transaction open is an interactive one", async () => {
    const { baton } = await node.pipeline([batch("INSERT", "BEGIN", "INSERT")]);
    await node.pipeline([batch("SELECT 1", "COMMIT", "INSERT"), CLOSE], { baton });
    expect(node.sql.calls).toEqual([
      "write INSERT",
      "begin write",
      "step BEGIN; INSERT",
      "step SELECT 1; COMMIT",
      "write INSERT",
    ]);
    expect(node.sql.openCount).toBe(0);
  });

  test("BEGIN TRANSACTION READONLY takes a snapshot", async () => {
    await node.pipeline([execute("BEGIN TRANSACTION READONLY"), CLOSE]);
    expect(node.sql.calls).toEqual(["begin read", "step BEGIN TRANSACTION READONLY", "close"]);
  });

  test("SAVEPOINT begins a transaction where none is open", async () => {
    await node.pipeline([execute("SAVEPOINT a"), execute("RELEASE a"), CLOSE]);
    expect(node.sql.calls).toEqual(["begin write", "step SAVEPOINT a", "step RELEASE a", "close"]);
  });

  test("COMMIT and ROLLBACK without a transaction ask nobody", async () => {
    const { results } = await node.pipeline([execute("ROLLBACK"), execute("COMMIT"), CLOSE]);
    expect(results.map(({ error }) => error?.message)).toEqual([
      "cannot rollback - no transaction is active",
      "cannot commit - no transaction is active",
      undefined,
    ]);
    expect(node.sql.calls).toEqual([]);
  });
});

describe("request ids", () => {
  const idsOf = () => node.sql.writes.map(({ id }) => id);

  test("are new for each write", async () => {
    await node.pipeline([execute("INSERT"), execute("INSERT"), CLOSE]);
    expect(new Set(idsOf()).size).toBe(2);
  });

  test("are the client's own, told apart in a pipeline, the same when it repeats", async () => {
    const headers = { "mycelium-request-id": "order-17" };
    const requests = [execute("INSERT"), execute("SELECT 1"), execute("INSERT"), CLOSE];
    await node.pipeline(requests, { headers });
    const first = idsOf();
    node.sql.writes.length = 0;
    await node.pipeline(requests, { headers });
    expect(idsOf()).toEqual(first);
    expect(new Set(first).size).toBe(2);
    expect(first.every((id) => id.length <= 64)).toBe(true);
  });

  test("of a wrong form are refused", async () => {
    for (const id of ["", "a b", "x".repeat(49)]) {
      expect(await node.refusal(ONE, { headers: { "mycelium-request-id": id } })).toEqual([
        400,
        "REQUEST_ID_INVALID",
      ]);
    }
  });
});

describe("limits", () => {
  test("bodies that are no JSON or no pipeline are refused", async () => {
    expect(await node.refusal("{")).toEqual([400, "BODY_INVALID"]);
    expect(await node.refusal("[".repeat(1_000_000))).toEqual([400, "BODY_INVALID"]);
    expect(await node.refusal("null")).toEqual([400, "MALFORMED"]);
    expect(await node.refusal({ requests: [{ type: "drop" }] })).toEqual([400, "MALFORMED"]);
  });

  test("a body that breaks off is refused, and nothing of it is held", async () => {
    node = new GatewayFixture({ bodiesBytesMax: 100 });
    for (let i = 0; i < 3; i++) {
      const body = new ReadableStream({
        pull(controller) {
          controller.enqueue(new Uint8Array(60).fill(0x20));
          controller.error(new Error("connection lost"));
        },
      });
      const request = new Request("http://node/v3/pipeline", { method: "POST", body });
      const response = await node.gateway.handle(request, { local: true });
      expect(response.status).toBe(400);
      expect(((await response.json()) as { code: string }).code).toBe("BODY_INVALID");
    }
  });

  test("a body over the limit is refused, announced or not", async () => {
    node = new GatewayFixture({ bodyBytesMax: 1_000 });
    const body = JSON.stringify({ requests: [execute("x".repeat(2_000))] });
    expect(await node.refusal(body)).toEqual([413, "BODY_TOO_LARGE"]);
    const headers = { "content-length": String(body.length) };
    expect(await node.refusal(body, { headers })).toEqual([413, "BODY_TOO_LARGE"]);
    expect(await node.refusal(body, { headers: { "content-length": "-5e9x" } })).toEqual([
      413,
      "BODY_TOO_LARGE",
    ]);
    await node.pipeline([CLOSE]);
  });

  test("bodies together and requests at once are limited", async () => {
    node = new GatewayFixture({ bodiesBytesMax: 250, inFlightMax: 2 });
    const gate = Promise.withResolvers<void>();
    node.sql.gate = gate.promise;
    const first = node.whenArrived(() => node.pipeline([execute("SELECT 1"), CLOSE]));
    await first.arrived;
    expect(await node.refusal({ requests: [execute("x".repeat(200))] })).toEqual([
      429,
      "OVERLOADED",
    ]);
    const second = node.whenArrived(() => node.pipeline([execute("S"), CLOSE]));
    await second.arrived;
    expect(await node.refusal({ requests: [] })).toEqual([429, "OVERLOADED"]);
    gate.resolve();
    for (const { answer } of [first, second]) {
      expect((await answer).results[0]?.type).toBe("ok");
    }
    await node.pipeline([CLOSE]);
  });

  test("a result over the limit is refused, others in the pipeline are not", async () => {
    node = new GatewayFixture({ response: { rowCountMax: 1, sizeMax: 1_000 } });
    const { results } = await node.pipeline([execute("SELECT 1"), execute("SELECT 2"), CLOSE]);
    expect(results.map(({ error }) => error?.code)).toEqual([undefined, "TOO_LARGE", undefined]);
  });

  test("after close() requests are refused and transactions rolled back", async () => {
    await node.pipeline([execute("BEGIN")]);
    await node.gateway.close();
    expect(node.sql.openCount).toBe(0);
    expect(await node.refusal(ONE)).toEqual([503, "CLOSED"]);
  });
});

describe("cursors", () => {
  const linesOf = async (body: unknown, limits: Partial<GatewayLimits> = {}) => {
    node = new GatewayFixture(limits);
    const response = await node.post(body, { path: "/v3/cursor" });
    expect(response.status).toBe(200);
    const text = await response.text();
    expect(text.endsWith("\n")).toBe(true);
    return text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  };
  const body = { batch: batch("SELECT 1", "SELECT 2").batch };

  test("send a baton, then the entries of each step", async () => {
    const lines = await linesOf(body);
    expect(Object.keys(lines[0] ?? {})).toEqual(["baton", "base_url"]);
    expect(lines.slice(1).map(({ type }) => type)).toEqual([
      "step_begin",
      "row",
      "step_end",
      "step_begin",
      "row",
      "step_end",
    ]);
  });

  test("end with an error entry where they cannot go on", async () => {
    const lines = await linesOf(body, { cursor: { rowCountMax: 1, sizeMax: 1_000 } });
    expect(lines.at(-1)).toMatchObject({ type: "error", error: { code: "TOO_LARGE" } });
    const refused = await linesOf({ batch: batch("").batch });
    expect(refused.at(-1)).toMatchObject({ type: "error", error: { code: "SQL_NO_STATEMENT" } });
  });
});
