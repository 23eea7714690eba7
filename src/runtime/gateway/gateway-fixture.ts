/** For tests of the gateway: everything around it under a test's control. */

import { asLogIndex, assert, type ErrorCode, MyceliumError } from "../../base/index.ts";
import type { Request as SqlRequest } from "../../domain/replication/index.ts";
import type { Program, ProgramResult, StepOutcome } from "../../domain/sql/index.ts";
import type { Clock, Logger, ReadOptions, SqlService, Timer } from "../../ports/index.ts";
import { type Authorization, type GatewayLimits, SqlGateway } from "./index.ts";

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
  /** Whether a program that is written at once leaves its transaction open. */
  staysOpen = false;
  /** What the next step of a transaction answers; null: OK. */
  stepResult: ProgramResult | null = null;
  /** Resolves before any call goes on; for tests of overlap. */
  gate: Promise<void> = Promise.resolve();
  /** Called when a program has arrived. */
  arrived: () => void = () => {};

  async write(request: SqlRequest): Promise<ProgramResult> {
    this.writes.push(request);
    return await this.#answer("write", request.program, !this.staysOpen);
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
        this.#mayFail();
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

/** A gateway over a scripted service under a clock that stands still, and what a client would send to it. */
export class GatewayFixture {
  readonly sql = new ScriptedSql();
  readonly clock = new ManualClock();
  readonly checkedTokens: string[] = [];
  readonly gateway: SqlGateway;

  constructor(limits: Partial<GatewayLimits> = {}) {
    const { sql, clock } = this;
    this.gateway = new SqlGateway({
      sql,
      clock,
      logger,
      metrics: { count: () => {}, gauge: () => {}, observeSeconds: () => {} },
      secret: new Uint8Array(32).fill(7),
      limits,
      authorize: (token) => this.#authorize(token),
    });
  }

  async post(body: unknown, options: Options = {}): Promise<Response> {
    const { token = "rw", headers = {}, path = "/v3/pipeline" } = options;
    const request = new Request(`http://node${path}`, {
      method: "POST",
      body: typeof body === "string" ? body : JSON.stringify(body),
      headers: { authorization: `Bearer ${token}`, ...headers },
    });
    return await this.gateway.handle(request, { local: false });
  }

  async pipeline(
    requests: unknown[],
    options: Options & { baton?: string | null } = {},
  ): Promise<Answer> {
    const response = await this.post({ baton: options.baton ?? null, requests }, options);
    assert(response.status === 200, `status ${response.status}`);
    return (await response.json()) as Answer;
  }

  /** Status and code of a request that must be refused with a message in JSON. */
  async refusal(body: unknown, options: Options = {}): Promise<[number, string]> {
    const response = await this.post(body, options);
    assert(response.headers.get("content-type") === "application/json", "the error is JSON");
    const { code, message } = (await response.json()) as { code: string; message: string };
    assert(message !== "", "the error has a message");
    return [response.status, code];
  }

  /** Starts a request and tells when its program reached the service. */
  whenArrived(send: () => Promise<Answer>): {
    readonly answer: Promise<Answer>;
    readonly arrived: Promise<void>;
  } {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.sql.arrived = resolve;
    return { answer: send(), arrived: promise };
  }

  #authorize(token: string): Authorization {
    this.checkedTokens.push(token);
    if (token === "rw" || token === "ro") {
      const role = token === "rw" ? "write" : "read";
      return { ok: true, role, expiresAtMs: this.clock.nowMs + 3_000 };
    }
    const code = token === "join" ? "FORBIDDEN" : "UNAUTHORIZED";
    return { ok: false, code, message: "Cannot run SQL: bad token" };
  }
}

export interface Options {
  readonly token?: string;
  readonly headers?: Record<string, string>;
  readonly path?: string;
}

export interface Answer {
  readonly baton: string | null;
  readonly results: {
    type: string;
    response?: unknown;
    error?: { code: string; message: string };
  }[];
}

export const execute = (text: string) => ({ type: "execute", stmt: { sql: text } });
export const batch = (...texts: string[]) => ({
  type: "batch",
  batch: { steps: texts.map((text) => ({ stmt: { sql: text } })) },
});
export const CLOSE = { type: "close" };
export const ONE = { requests: [execute("SELECT 1"), CLOSE] };
