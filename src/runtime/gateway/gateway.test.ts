import { beforeEach, describe, expect, test } from "bun:test";
import { asLogIndex, type ErrorCode, MyceliumError } from "../../base/index.ts";
import type { Request as SqlRequest } from "../../domain/replication/index.ts";
import type { Program, ProgramResult, StepOutcome } from "../../domain/sql/index.ts";
import type { Clock, Logger, ReadOptions, SqlService, Timer } from "../../ports/index.ts";
import { type GatewayLimits, SqlGateway } from "./index.ts";

const OK: StepOutcome = {
  ok: true,
  result: {
    columns: [{ name: "n", decltype: null }],
    rows: [[1n]],
    affectedRowCount: 1,
    lastInsertRowid: 7n,
  },
};

/** Records the calls, answers every step with OK, and fails where it is told to. */
class ScriptedSql implements SqlService {
  readonly calls: string[] = [];
  readonly writes: SqlRequest[] = [];
  readonly reads: ReadOptions[] = [];
  openCount = 0;
  failWith: ErrorCode | null = null;
  /** What the next step of a transaction answers; null: OK. */
  stepResult: ProgramResult | null = null;
  /** Resolves before any call goes on; for tests of overlap. */
  gate: Promise<void> = Promise.resolve();
  /** Called when a program has arrived. */
  arrived: () => void = () => {};

  async write(request: SqlRequest): Promise<ProgramResult> {
    this.writes.push(request);
    return await this.#answer("write", request.program, true);
  }

  async read(program: Program, options: ReadOptions): Promise<ProgramResult> {
    this.reads.push(options);
    return await this.#answer("read", program, true);
  }

  async begin(mode: "read" | "write") {
    this.calls.push(`begin ${mode}`);
    this.#mayFail();
    this.openCount++;
    return {
      step: async (program: Program) => {
        if (this.stepResult !== null) return this.stepResult;
        const last = program.steps.at(-1)?.statement.sql ?? "";
        const ends = last === "COMMIT" || last === "ROLLBACK";
        const result = await this.#answer("step", program, ends);
        if (ends) this.openCount--;
        return result;
      },
      close: async () => {
        this.calls.push("close");
        this.openCount--;
      },
    };
  }

  appliedIndex() {
    return asLogIndex(0);
  }

  async #answer(name: string, program: Program, autocommit: boolean): Promise<ProgramResult> {
    this.calls.push(`${name} ${program.steps.map(({ statement }) => statement.sql).join("; ")}`);
    this.arrived();
    await this.gate;
    this.#mayFail();
    return { steps: program.steps.map(() => OK), autocommit };
  }

  #mayFail(): void {
    if (this.failWith !== null) throw new MyceliumError(this.failWith, `failed: ${this.failWith}`);
  }
}

class ManualClock implements Clock {
  nowMs = 1_000;
  #timers: { atMs: number; callback: () => void }[] = [];

  wallMs(): number {
    return this.nowMs;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer = { atMs: this.nowMs + delayMs, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  advance(byMs: number): void {
    this.nowMs += byMs;
    for (;;) {
      const due = this.#timers.filter(({ atMs }) => atMs <= this.nowMs);
      this.#timers = this.#timers.filter(({ atMs }) => atMs > this.nowMs);
      if (due.length === 0) return;
      for (const { callback } of due) callback();
    }
  }
}

const logger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  with: () => logger,
};

let sql: ScriptedSql;
let clock: ManualClock;
let gateway: SqlGateway;
let checkedTokens: string[];

function start(limits: Partial<GatewayLimits> = {}): void {
  sql = new ScriptedSql();
  clock = new ManualClock();
  checkedTokens = [];
  gateway = new SqlGateway({
    sql,
    clock,
    logger,
    metrics: { count: () => {}, gauge: () => {}, observeSeconds: () => {} },
    secret: new Uint8Array(32).fill(7),
    limits,
    authorize: (token) => {
      checkedTokens.push(token);
      if (token === "rw" || token === "ro") {
        const role = token === "rw" ? "write" : "read";
        return { ok: true, role, expiresAtMs: clock.nowMs + 3_000 };
      }
      const code = token === "join" ? "FORBIDDEN" : "UNAUTHORIZED";
      return { ok: false, code, message: "Cannot run SQL: bad token" };
    },
  });
}

beforeEach(() => start());

interface Options {
  readonly token?: string;
  readonly headers?: Record<string, string>;
  readonly path?: string;
}

async function post(body: unknown, options: Options = {}): Promise<Response> {
  const { token = "rw", headers = {}, path = "/v3/pipeline" } = options;
  const request = new Request(`http://node${path}`, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
  return await gateway.handle(request, { local: false });
}

interface Answer {
  readonly baton: string | null;
  readonly results: {
    type: string;
    response?: unknown;
    error?: { code: string; message: string };
  }[];
}

async function pipeline(
  requests: unknown[],
  options: Options & { baton?: string | null } = {},
): Promise<Answer> {
  const response = await post({ baton: options.baton ?? null, requests }, options);
  expect(response.status).toBe(200);
  return (await response.json()) as Answer;
}

async function refusal(body: unknown, options: Options = {}): Promise<[number, string]> {
  const response = await post(body, options);
  expect(response.headers.get("content-type")).toBe("application/json");
  const { code, message } = (await response.json()) as { code: string; message: string };
  expect(message).not.toBe("");
  return [response.status, code];
}

/** Starts a request and tells when its program reached the service. */
function whenArrived(send: () => Promise<Answer>): {
  readonly answer: Promise<Answer>;
  readonly arrived: Promise<void>;
} {
  const { promise, resolve } = Promise.withResolvers<void>();
  sql.arrived = resolve;
  return { answer: send(), arrived: promise };
}

const execute = (text: string) => ({ type: "execute", stmt: { sql: text } });
const batch = (...texts: string[]) => ({
  type: "batch",
  batch: { steps: texts.map((text) => ({ stmt: { sql: text } })) },
});
const CLOSE = { type: "close" };
const ONE = { requests: [execute("SELECT 1"), CLOSE] };

describe("paths", () => {
  test("greetings need no token", async () => {
    for (const path of ["/", "/health", "/v2", "/v3"]) {
      const response = await gateway.handle(new Request(`http://node${path}`), { local: false });
      expect(response.status).toBe(200);
      expect(SqlGateway.serves(path)).toBe(true);
    }
  });

  test("unknown paths and methods are refused", async () => {
    expect(await refusal(ONE, { path: "/v3-protobuf/pipeline" })).toEqual([404, "NOT_FOUND"]);
    expect(await refusal(ONE, { path: "/v2" })).toEqual([405, "METHOD_NOT_ALLOWED"]);
    expect(SqlGateway.serves("/metrics")).toBe(false);
  });
});

describe("tokens", () => {
  test("a request without a good token is refused before its body is read", async () => {
    expect(await refusal("{", { token: "bad" })).toEqual([401, "UNAUTHORIZED"]);
    expect(await refusal("{", { token: "join" })).toEqual([403, "FORBIDDEN"]);
    expect(await refusal("{", { headers: { authorization: "Basic x" } })).toEqual([
      401,
      "UNAUTHORIZED",
    ]);
    const long = `Bearer ${"x".repeat(5_000)}`;
    expect(await refusal("{", { headers: { authorization: long } })).toEqual([401, "UNAUTHORIZED"]);
    expect(sql.calls).toEqual([]);
  });

  test("the Unix socket needs none", async () => {
    const request = new Request("http://node/v3/pipeline", {
      method: "POST",
      body: JSON.stringify({ requests: [execute("INSERT"), CLOSE] }),
    });
    expect((await gateway.handle(request, { local: true })).status).toBe(200);
    expect(sql.writes[0]?.role).toBe("write");
  });

  test("a good token is remembered until it expires, at most 5 s", async () => {
    await pipeline([CLOSE]);
    await pipeline([CLOSE]);
    expect(checkedTokens).toEqual(["rw"]);
    clock.advance(3_000);
    await pipeline([CLOSE]);
    expect(checkedTokens).toEqual(["rw", "rw"]);
  });

  test("a read-only token writes nothing", async () => {
    const { results } = await pipeline(
      [execute("INSERT"), batch("SELECT 1", "DELETE"), execute("BEGIN IMMEDIATE"), CLOSE],
      { token: "ro" },
    );
    expect(results.map(({ error }) => error?.code)).toEqual([
      "SQLITE_READONLY",
      "SQLITE_READONLY",
      "SQLITE_READONLY",
      undefined,
    ]);
    expect(sql.calls).toEqual([]);
  });
});

describe("routing", () => {
  test("reads are read, with the consistency of the header", async () => {
    await pipeline([execute("SELECT 1"), CLOSE]);
    for (const level of ["strong", "local", "bounded=500ms"]) {
      await pipeline([execute("SELECT 1"), CLOSE], { headers: { "mycelium-consistency": level } });
    }
    expect(sql.reads.map(({ consistency }) => consistency)).toEqual([
      { level: "strong" },
      { level: "strong" },
      { level: "local" },
      { level: "bounded", maxStaleMs: 500 },
    ]);
    expect(await refusal(ONE, { headers: { "mycelium-consistency": "weak" } })).toEqual([
      400,
      "CONSISTENCY_INVALID",
    ]);
  });

  test("a batch of reads in its own transaction is one read", async () => {
    await pipeline([batch("BEGIN DEFERRED", "SELECT 1", "COMMIT"), CLOSE]);
    expect(sql.calls).toEqual(["read BEGIN DEFERRED; SELECT 1; COMMIT"]);
  });

  test("a batch that ends the transaction it begins is one atomic write", async () => {
    await pipeline([batch("BEGIN", "INSERT", "COMMIT"), CLOSE]);
    expect(sql.calls).toEqual(["write BEGIN; INSERT; COMMIT"]);
  });

  test("a batch that leaves its transaction open is an interactive one", async () => {
    const { baton } = await pipeline([batch("INSERT", "BEGIN", "INSERT")]);
    await pipeline([batch("SELECT 1", "COMMIT", "INSERT"), CLOSE], { baton });
    expect(sql.calls).toEqual([
      "write INSERT",
      "begin write",
      "step BEGIN; INSERT",
      "step SELECT 1; COMMIT",
      "write INSERT",
    ]);
    expect(sql.openCount).toBe(0);
  });

  test("BEGIN TRANSACTION READONLY takes a snapshot", async () => {
    await pipeline([execute("BEGIN TRANSACTION READONLY"), CLOSE]);
    expect(sql.calls).toEqual(["begin read", "step BEGIN TRANSACTION READONLY", "close"]);
  });

  test("SAVEPOINT begins a transaction where none is open", async () => {
    await pipeline([execute("SAVEPOINT a"), execute("RELEASE a"), CLOSE]);
    expect(sql.calls).toEqual(["begin write", "step SAVEPOINT a", "step RELEASE a", "close"]);
  });

  test("COMMIT and ROLLBACK without a transaction ask nobody", async () => {
    const { results } = await pipeline([execute("ROLLBACK"), execute("COMMIT"), CLOSE]);
    expect(results.map(({ error }) => error?.message)).toEqual([
      "cannot rollback - no transaction is active",
      "cannot commit - no transaction is active",
      undefined,
    ]);
    expect(sql.calls).toEqual([]);
  });
});

describe("request ids", () => {
  const idsOf = () => sql.writes.map(({ id }) => id);

  test("are new for each write", async () => {
    await pipeline([execute("INSERT"), execute("INSERT"), CLOSE]);
    expect(new Set(idsOf()).size).toBe(2);
  });

  test("are the client's own, told apart in a pipeline, the same when it repeats", async () => {
    const headers = { "mycelium-request-id": "order-17" };
    const requests = [execute("INSERT"), execute("SELECT 1"), execute("INSERT"), CLOSE];
    await pipeline(requests, { headers });
    const first = idsOf();
    sql.writes.length = 0;
    await pipeline(requests, { headers });
    expect(idsOf()).toEqual(first);
    expect(new Set(first).size).toBe(2);
    expect(first.every((id) => id.length <= 64)).toBe(true);
  });

  test("of a wrong form are refused", async () => {
    for (const id of ["", "a b", "x".repeat(49)]) {
      expect(await refusal(ONE, { headers: { "mycelium-request-id": id } })).toEqual([
        400,
        "REQUEST_ID_INVALID",
      ]);
    }
  });
});

describe("streams", () => {
  test("without state cost nothing and never expire", async () => {
    const { baton } = await pipeline([execute("SELECT 1")]);
    expect(gateway.streamCount).toBe(0);
    clock.advance(1e9);
    const next = await pipeline([execute("SELECT 1")], { baton });
    expect(next.baton).not.toBe(baton);
  });

  test("keep stored SQL until it is closed", async () => {
    const store = { type: "store_sql", sql_id: 1, sql: "SELECT 'stored'" };
    const use = { type: "execute", stmt: { sql_id: 1 } };
    const first = await pipeline([store, use, store]);
    expect(first.results.map(({ error }) => error?.code)).toEqual([
      undefined,
      undefined,
      "SQL_STORE_EXISTS",
    ]);
    expect(gateway.streamCount).toBe(1);
    const { baton } = first;
    const second = await pipeline([use, { type: "close_sql", sql_id: 1 }, use], { baton });
    expect(second.results.map(({ error }) => error?.code)).toEqual([
      undefined,
      undefined,
      "SQL_NOT_FOUND",
    ]);
    expect(gateway.streamCount).toBe(0);
  });

  test("store no more than their limit", async () => {
    const store = (id: number, length: number) => ({
      type: "store_sql",
      sql_id: id,
      sql: "x".repeat(length),
    });
    start({ storedSqlCountMax: 2, storedSqlLengthMax: 10 });
    const { results } = await pipeline([store(1, 6), store(2, 5), store(3, 4), store(4, 0), CLOSE]);
    expect(results.map(({ type }) => type)).toEqual(["ok", "error", "ok", "error", "ok"]);
    expect(gateway.streamCount).toBe(0);
  });

  test("are refused beyond their number, and count again when one closes", async () => {
    start({ streamCountMax: 1 });
    const { baton } = await pipeline([execute("BEGIN")]);
    const refused = await pipeline([execute("BEGIN"), CLOSE]);
    expect(refused.results[0]?.error?.code).toBe("OVERLOADED");
    await pipeline([CLOSE], { baton });
    expect((await pipeline([execute("BEGIN"), CLOSE])).results[0]?.type).toBe("ok");
    expect(gateway.streamCount).toBe(0);
  });

  test("roll back when they expire", async () => {
    const { baton } = await pipeline([execute("BEGIN")]);
    clock.advance(9_000);
    expect(sql.openCount).toBe(1);
    clock.advance(4_000);
    expect(sql.openCount).toBe(0);
    expect(gateway.streamCount).toBe(0);
    expect(await refusal({ baton, requests: [] })).toEqual([400, "STREAM_EXPIRED"]);
  });

  test("a baton works once, for its own role, and cannot be forged", async () => {
    const { baton } = await pipeline([execute("BEGIN")]);
    const body = { baton, requests: [execute("SELECT 1")] };
    expect(await refusal(body, { token: "ro" })).toEqual([403, "FORBIDDEN"]);
    await pipeline([execute("SELECT 1")], { baton });
    expect(await refusal(body)).toEqual([400, "BATON_REUSED"]);
    const text = baton ?? "";
    for (let i = 0; i < text.length; i++) {
      const flipped = text.slice(0, i) + (text[i] === "A" ? "B" : "A") + text.slice(i + 1);
      expect(await refusal({ baton: flipped, requests: [] })).toEqual([400, "BATON_INVALID"]);
    }
  });

  test("a baton cannot be used while its request is running", async () => {
    const { baton } = await pipeline([execute("BEGIN")]);
    const gate = Promise.withResolvers<void>();
    sql.gate = gate.promise;
    const running = whenArrived(() => pipeline([execute("SELECT 1")], { baton }));
    await running.arrived;
    expect(await refusal({ baton, requests: [] })).toEqual([400, "BATON_REUSED"]);
    gate.resolve();
    expect((await running.answer).results[0]?.type).toBe("ok");
  });

  test("requests behind close are refused", async () => {
    const { results, baton } = await pipeline([CLOSE, execute("SELECT 1")]);
    expect(results[1]?.error?.code).toBe("STREAM_CLOSED");
    expect(baton).toBeNull();
  });

  test("get_autocommit tells whether a transaction is open", async () => {
    const ask = { type: "get_autocommit" };
    const { results } = await pipeline([ask, execute("BEGIN"), ask, execute("COMMIT"), ask, CLOSE]);
    const told = results.map(
      ({ response }) => (response as { is_autocommit?: boolean } | undefined)?.is_autocommit,
    );
    expect(told).toEqual([true, undefined, false, undefined, true, undefined]);
  });
});

describe("failures", () => {
  test("of the network are results with their own code; the stream goes on", async () => {
    for (const code of ["NO_QUORUM", "OUTCOME_UNKNOWN", "OVERLOADED"] as const) {
      sql.failWith = code;
      const { results, baton } = await pipeline([execute("INSERT"), { type: "get_autocommit" }]);
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
      sql.failWith = code;
      expect((await pipeline([execute("INSERT"), CLOSE])).results[0]?.error?.code).toBe(shown);
    }
  });

  test("that lose a transaction let nothing through until the client ends it", async () => {
    const { baton } = await pipeline([execute("BEGIN"), execute("INSERT")]);
    sql.failWith = "OUTCOME_UNKNOWN";
    const lost = await pipeline([execute("INSERT")], { baton });
    expect(lost.results[0]?.error?.code).toBe("OUTCOME_UNKNOWN");
    sql.failWith = null;
    sql.calls.length = 0;
    const after = await pipeline(
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
    expect(sql.calls).toEqual(["write INSERT"]);
    expect(sql.openCount).toBe(0);
  });

  test("inside a statement that end the transaction are such a loss", async () => {
    const { baton } = await pipeline([execute("BEGIN")]);
    const error = { code: "SQLITE_INTERRUPT", extendedCode: 9, message: "interrupted" };
    sql.stepResult = { steps: [{ ok: false, error }], autocommit: true };
    const lost = await pipeline([execute("INSERT"), execute("INSERT"), execute("ROLLBACK")], {
      baton,
    });
    expect(lost.results.map(({ error }) => error?.code)).toEqual([
      "SQLITE_INTERRUPT",
      "TRANSACTION_CLOSED",
      undefined,
    ]);
    expect(sql.calls.filter((call) => call.startsWith("write"))).toEqual([]);
  });

  test("of COMMIT end the transaction: what became of it is in the error", async () => {
    const { baton } = await pipeline([execute("BEGIN")]);
    sql.failWith = "OUTCOME_UNKNOWN";
    const unknown = await pipeline([execute("COMMIT")], { baton });
    expect(unknown.results[0]?.error?.code).toBe("OUTCOME_UNKNOWN");
    sql.failWith = null;
    const after = await pipeline([execute("ROLLBACK"), CLOSE], { baton: unknown.baton });
    expect(after.results[0]?.error?.message).toBe("cannot rollback - no transaction is active");
  });

  test("COMMIT of a lost transaction fails and ends it", async () => {
    const { baton } = await pipeline([execute("BEGIN")]);
    sql.failWith = "NO_QUORUM";
    const lost = await pipeline([execute("INSERT")], { baton });
    sql.failWith = null;
    const { results } = await pipeline([execute("COMMIT"), execute("INSERT"), CLOSE], {
      baton: lost.baton,
    });
    expect(results.map(({ error }) => error?.code)).toEqual([
      "TRANSACTION_CLOSED",
      undefined,
      undefined,
    ]);
  });

  test("that are bugs are not hidden, and leave no stream behind", async () => {
    sql.read = () => Promise.reject(new TypeError("a bug"));
    const store = { type: "store_sql", sql_id: 1, sql: "x" };
    await expect(post({ requests: [store, execute("SELECT 1")] })).rejects.toThrow("a bug");
    expect(gateway.streamCount).toBe(0);
  });
});

describe("limits", () => {
  test("bodies that are no JSON or no pipeline are refused", async () => {
    expect(await refusal("{")).toEqual([400, "BODY_INVALID"]);
    expect(await refusal("[".repeat(1_000_000))).toEqual([400, "BODY_INVALID"]);
    expect(await refusal("null")).toEqual([400, "MALFORMED"]);
    expect(await refusal({ requests: [{ type: "drop" }] })).toEqual([400, "MALFORMED"]);
  });

  test("a body over the limit is refused, announced or not", async () => {
    start({ bodyBytesMax: 1_000 });
    const body = JSON.stringify({ requests: [execute("x".repeat(2_000))] });
    expect(await refusal(body)).toEqual([413, "BODY_TOO_LARGE"]);
    const headers = { "content-length": String(body.length) };
    expect(await refusal(body, { headers })).toEqual([413, "BODY_TOO_LARGE"]);
    expect(await refusal(body, { headers: { "content-length": "-5e9x" } })).toEqual([
      413,
      "BODY_TOO_LARGE",
    ]);
    await pipeline([CLOSE]);
  });

  test("bodies together and requests at once are limited", async () => {
    start({ bodiesBytesMax: 250, inFlightMax: 2 });
    const gate = Promise.withResolvers<void>();
    sql.gate = gate.promise;
    const first = whenArrived(() => pipeline([execute("SELECT 1"), CLOSE]));
    await first.arrived;
    expect(await refusal({ requests: [execute("x".repeat(200))] })).toEqual([429, "OVERLOADED"]);
    const second = whenArrived(() => pipeline([execute("S"), CLOSE]));
    await second.arrived;
    expect(await refusal({ requests: [] })).toEqual([429, "OVERLOADED"]);
    gate.resolve();
    for (const { answer } of [first, second]) {
      expect((await answer).results[0]?.type).toBe("ok");
    }
    await pipeline([CLOSE]);
  });

  test("a result over the limit is refused, others in the pipeline are not", async () => {
    start({ response: { rowCountMax: 1, sizeMax: 1_000 } });
    const { results } = await pipeline([execute("SELECT 1"), execute("SELECT 2"), CLOSE]);
    expect(results.map(({ error }) => error?.code)).toEqual([undefined, "TOO_LARGE", undefined]);
  });

  test("after close() requests are refused and transactions rolled back", async () => {
    await pipeline([execute("BEGIN")]);
    await gateway.close();
    expect(sql.openCount).toBe(0);
    expect(await refusal(ONE)).toEqual([503, "CLOSED"]);
  });
});

describe("cursors", () => {
  const linesOf = async (body: unknown, limits: Partial<GatewayLimits> = {}) => {
    start(limits);
    const response = await post(body, { path: "/v3/cursor" });
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
