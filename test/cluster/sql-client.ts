/** A small Hrana 3 client for tests: one request at a time, with a deadline, telling a refusal from an unknown outcome. */

import { HttpConnection, requestBytes, type Target } from "./http-connection.ts";

export interface SqlStatement {
  readonly sql: string;
  readonly args?: readonly (string | number)[];
}

export type SqlRow = readonly (string | null)[];

/** `unsent`: nothing of it left this process. `unknown`: no whole answer came. `error`: the node's own words. */
export type SqlOutcome =
  | { readonly kind: "ok"; readonly results: readonly (readonly SqlRow[])[]; baton: string | null }
  | { readonly kind: "error"; readonly code: string; readonly message: string }
  | { readonly kind: "unsent"; readonly reason: string }
  | { readonly kind: "unknown"; readonly reason: string };

export interface SqlOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Of an interactive transaction; a stream stays open when given, null for its first request. */
  readonly baton?: string | null;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 15_000;

interface WireValue {
  readonly type: string;
  readonly value?: string | number;
}

interface WireAnswer {
  readonly baton?: string | null;
  readonly code?: string;
  readonly message?: string;
  readonly results?: readonly {
    readonly type: string;
    readonly error?: { readonly code: string; readonly message: string };
    readonly response?: { readonly result?: { readonly rows: readonly (readonly WireValue[])[] } };
  }[];
}

export class SqlClient {
  readonly #token: () => string;
  readonly #idle = new Map<string, HttpConnection[]>();

  constructor(token: () => string) {
    this.#token = token;
  }

  /** Runs statements in one pipeline; the first failure is the outcome. */
  async run(
    target: Target,
    statements: readonly SqlStatement[],
    options: SqlOptions = {},
  ): Promise<SqlOutcome> {
    const key = `${target.host}:${target.port}`;
    let connection: HttpConnection;
    try {
      connection = this.#idle.get(key)?.pop() ?? (await HttpConnection.open(target, 2_000));
    } catch (error) {
      return { kind: "unsent", reason: String(error) };
    }
    const { timeoutMs = TIMEOUT_MS } = options;
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
      });
      const answer = await Promise.race([connection.send(this.#bytes(statements, options)), late]);
      this.#keep(key, connection);
      return outcomeOf(answer.status, answer.body, statements.length);
    } catch (error) {
      connection.close();
      return { kind: "unknown", reason: String(error) };
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    for (const connections of this.#idle.values()) for (const one of connections) one.close();
    this.#idle.clear();
  }

  #keep(key: string, connection: HttpConnection): void {
    const idle = this.#idle.get(key) ?? [];
    idle.push(connection);
    this.#idle.set(
      key,
      idle.filter((one) => one.isOpen),
    );
  }

  #bytes(statements: readonly SqlStatement[], options: SqlOptions): Buffer {
    const requests: unknown[] = statements.map(({ sql, args = [] }) => ({
      type: "execute",
      stmt: { sql, args: args.map(wireValue) },
    }));
    if (options.baton === undefined) requests.push({ type: "close" });
    const body = JSON.stringify({ baton: options.baton ?? null, requests });
    const headers = { Authorization: `Bearer ${this.#token()}`, ...options.headers };
    return requestBytes("/v3/pipeline", body, headers);
  }
}

function wireValue(value: string | number): unknown {
  return typeof value === "number"
    ? { type: "integer", value: String(value) }
    : { type: "text", value };
}

function outcomeOf(status: number, body: string, count: number): SqlOutcome {
  const answer = JSON.parse(body) as WireAnswer;
  if (status !== 200) {
    return {
      kind: "error",
      code: answer.code ?? `HTTP ${status}`,
      message: answer.message ?? body,
    };
  }
  const results = (answer.results ?? []).slice(0, count);
  const failed = results.find(({ type }) => type === "error")?.error;
  if (failed !== undefined) return { kind: "error", code: failed.code, message: failed.message };
  const rows = results.map(({ response }) =>
    (response?.result?.rows ?? []).map((row) =>
      row.map(({ value }) => (value === undefined ? null : String(value))),
    ),
  );
  return { kind: "ok", results: rows, baton: answer.baton ?? null };
}
