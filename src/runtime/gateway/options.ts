/** What a gateway needs from the agent, and its limits. */

import type { ResponseLimits } from "../../domain/hrana/index.ts";
import type { Clock, Logger, Metrics, SqlService } from "../../ports/index.ts";

/** What a bearer token allows. `read` tokens may not write. */
export type Authorization =
  | { readonly ok: true; readonly role: "read" | "write"; readonly expiresAtMs: number }
  | { readonly ok: false; readonly code: "UNAUTHORIZED" | "FORBIDDEN"; readonly message: string };

/** Checks a bearer token now. UNAUTHORIZED answers 401 (get another token), FORBIDDEN 403. */
export type Authorize = (token: string) => Authorization;

export interface GatewayLimits {
  /** One request's body. */
  readonly bodyBytesMax: number;
  /** Bodies of all requests being served. */
  readonly bodiesBytesMax: number;
  /** Requests being served at once. */
  readonly inFlightMax: number;
  /** Streams with stored SQL or an open transaction. */
  readonly streamCountMax: number;
  /** A stream that hears nothing for this long is closed and its transaction rolled back. */
  readonly streamIdleMs: number;
  /** SQL texts one stream may store, and the letters of all of them. */
  readonly storedSqlCountMax: number;
  readonly storedSqlLengthMax: number;
  /** One response of a pipeline. */
  readonly response: ResponseLimits;
  /** One cursor, which is sent in pieces. */
  readonly cursor: ResponseLimits;
  /** Deadlines of one statement. */
  readonly readDeadlineMs: number;
  readonly writeDeadlineMs: number;
}

const MIB = 1_048_576;

export const DEFAULT_LIMITS: GatewayLimits = {
  bodyBytesMax: 16 * MIB,
  bodiesBytesMax: 64 * MIB,
  inFlightMax: 1_024,
  streamCountMax: 1_024,
  streamIdleMs: 10_000,
  storedSqlCountMax: 256,
  storedSqlLengthMax: 262_144,
  response: { rowCountMax: 1_000_000, sizeMax: 16 * MIB },
  cursor: { rowCountMax: 10_000_000, sizeMax: 256 * MIB },
  readDeadlineMs: 30_000,
  writeDeadlineMs: 2_000,
};

export interface GatewayDependencies {
  readonly sql: SqlService;
  readonly authorize: Authorize;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** 32 random bytes, new at each start: keys batons and makes request ids unique. */
  readonly secret: Uint8Array;
  readonly limits?: Partial<GatewayLimits>;
}
