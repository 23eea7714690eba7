/**
 * A conversation with the agent's gateway: one Hrana stream that is carried on from statement to statement, so that
 * transactions stay open between lines. Source: Hrana 3, "Hrana over HTTP".
 */

import { MyceliumError } from "../../base/index.ts";
import { readBounded } from "../../client/index.ts";
import { decodeValue } from "../../domain/hrana/index.ts";
import type { SqlValue } from "../../domain/sql/index.ts";

/** `fetch` of something that serves Hrana; `path` begins with "/". */
export type HranaFetch = (path: string, init: RequestInit) => Promise<Response>;

export interface QueryResult {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly SqlValue[])[];
  readonly affectedRowCount: number;
}

/** What the other side refused: a statement's error or the gateway's own. */
export class SqlRefusal extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = "SqlRefusal";
    this.code = code;
  }
}

interface Reply {
  readonly baton: string | null;
  readonly results: readonly ReplyResult[];
}

interface ReplyResult {
  readonly type: string;
  readonly error?: ReplyError;
  readonly response?: { readonly result?: ReplyRows; readonly is_autocommit?: boolean };
}

interface ReplyError {
  readonly code?: string;
  readonly extended_code?: string;
  readonly message: string;
}

interface ReplyRows {
  readonly cols: readonly { readonly name: string | null }[];
  readonly rows: readonly (readonly unknown[])[];
  readonly affected_row_count: number;
}

/** Above what the gateway sends in one response. */
const REPLY_SIZE_MAX = 64 * 1_048_576;

export class SqlSession {
  readonly #fetch: HranaFetch;
  #baton: string | null = null;
  #inTransaction = false;

  constructor(fetch: HranaFetch) {
    this.#fetch = fetch;
  }

  /** Whether the last statement left a transaction open. */
  get inTransaction(): boolean {
    return this.#inTransaction;
  }

  /** Rejects with SqlRefusal, with MyceliumError when the agent is out of reach, or when `signal` aborts. */
  async execute(sql: string, signal?: AbortSignal): Promise<QueryResult> {
    const requests = [{ type: "execute", stmt: { sql } }, { type: "get_autocommit" }];
    const { results } = await this.#post(requests, signal);
    const [executed, autocommit] = results;
    this.#inTransaction = autocommit?.response?.is_autocommit === false;
    if (executed?.error !== undefined) throw refusalOf(executed.error);
    const rows = executed?.response?.result;
    if (rows === undefined) throw foreign("no result");
    return {
      columns: rows.cols.map(({ name }) => name ?? ""),
      rows: rows.rows.map((row) => row.map((value) => decodeValue(value, "a value"))),
      affectedRowCount: rows.affected_row_count,
    };
  }

  /** Rolls back what is open. */
  async close(): Promise<void> {
    if (this.#inTransaction) await this.#post([{ type: "close" }]);
    this.#forget();
  }

  async #post(requests: readonly unknown[], signal?: AbortSignal): Promise<Reply> {
    try {
      const reply = await this.#postOnce(requests, signal);
      this.#baton = reply.baton;
      return reply;
    } catch (error) {
      const stale = this.#baton !== null && error instanceof SqlRefusal && isStale(error.code);
      const lostTransaction = this.#inTransaction;
      this.#forget();
      if (!stale) throw error;
      // The agent was restarted or the stream expired: only an open transaction was lost by that.
      if (!lostTransaction) return await this.#post(requests, signal);
      throw new SqlRefusal(
        "TRANSACTION_CLOSED",
        "The transaction was rolled back: it was idle for too long",
      );
    }
  }

  async #postOnce(requests: readonly unknown[], signal?: AbortSignal): Promise<Reply> {
    const response = await this.#fetch("/v3/pipeline", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ baton: this.#baton, requests }),
      ...(signal === undefined ? {} : { signal }),
    });
    const reply = parse(await readBounded(response, REPLY_SIZE_MAX, "the answer to a statement"));
    if (!response.ok) throw refusalOf(reply as ReplyError);
    if (!Array.isArray((reply as Partial<Reply>).results)) throw foreign("no results");
    return reply as Reply;
  }

  #forget(): void {
    this.#baton = null;
    this.#inTransaction = false;
  }
}

function isStale(code: string): boolean {
  return code === "STREAM_EXPIRED" || code === "BATON_INVALID";
}

function refusalOf(error: ReplyError): SqlRefusal {
  return new SqlRefusal(error.extended_code ?? error.code ?? "ERROR", error.message);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw foreign("no JSON");
  }
}

function foreign(found: string): MyceliumError {
  return new MyceliumError("MALFORMED", `Cannot read the agent's answer: found ${found}`);
}
