/**
 * The other requests of the local API. JSON over HTTP on the Unix socket; whoever may open the socket may do all.
 *
 * | request | body | answer |
 * |---|---|---|
 * | GET /v1/status | | `Status` |
 * | GET /v1/config | | `ConfigView` |
 * | POST /v1/tokens | `TokenRequest` | `TokenAnswer` |
 * | POST /v1/sql-tokens | `SqlTokenRequest` | `SqlTokenAnswer` |
 * | POST /v1/leave | `LeaveRequest` | `LeaveAnswer`; the agent stops after it |
 * | DELETE /v1/nodes/ID | | `RemoveAnswer` |
 * | POST /v1/stop | | `StopAnswer`; the agent stops after it |
 * | /v1/update and below | | see update.ts |
 * | POST /v3/pipeline | Hrana 3 | Hrana 3, without a token |
 */

import {
  flag,
  integer,
  list,
  nullable,
  object,
  oneOf,
  optional,
  type TypeOf,
  text,
} from "../wire/index.ts";
import { nodeIdShape } from "./node-id.ts";
import { nodeClassShape } from "./status.ts";

const SETTINGS_MAX = 1_000;
const YEAR_MS = 366 * 24 * 3_600_000;
const TOKEN_TTL_MIN_MS = 1_000;
const TOKEN_USES_MAX = 1_000;
const TOKEN_LENGTH_MAX = 4_096;

/** The largest body of a request other than SQL, in bytes. */
export const API_BODY_SIZE_MAX = 64 * 1_024;
/** The largest answer a client takes, in bytes. */
export const API_ANSWER_SIZE_MAX = 16 * 1_024 * 1_024;

const role = oneOf("validator", "miner");

export const tokenRequestShape = object({
  role: optional(role),
  class: optional(nodeClassShape),
  ttlMs: optional(integer(TOKEN_TTL_MIN_MS, YEAR_MS)),
  uses: optional(integer(1, TOKEN_USES_MAX)),
});
export const tokenAnswerShape = object({
  token: text(TOKEN_LENGTH_MAX),
  role,
  class: nodeClassShape,
  uses: integer(1, TOKEN_USES_MAX),
  /** Unix milliseconds. */
  expiresAtMs: integer(),
});

export const sqlTokenRequestShape = object({
  mode: oneOf("rw", "ro"),
  ttlMs: optional(integer(TOKEN_TTL_MIN_MS, 100 * YEAR_MS)),
});
export const sqlTokenAnswerShape = object({
  token: text(TOKEN_LENGTH_MAX),
  mode: oneOf("rw", "ro"),
  /** Null: it does not expire. */
  expiresAtMs: nullable(integer()),
  /** What a libSQL client on this machine is given. */
  url: text(1_000),
});

/** `wipe` also removes identity, log and store from the state directory; settings stay. */
export const leaveRequestShape = object({ wipe: flag });
export const leaveAnswerShape = object({ left: flag, wiped: flag });

export const removeAnswerShape = object({ removed: nodeIdShape });
export const stopAnswerShape = object({ stopping: flag });

export const configViewShape = object({
  settings: list(
    object({
      name: text(100),
      /** Secrets are masked. */
      value: nullable(text(16_384)),
      /** "default", "file", "environment", "flag" or whatever names the source. */
      source: text(4_096),
    }),
    SETTINGS_MAX,
  ),
});

/** Every answer with a status of 400 and up. `code` is an `ErrorCode`, or "INTERNAL". */
export const errorAnswerShape = object({
  error: object({ code: text(64), message: text(16_384) }),
});

export type TokenRequest = TypeOf<typeof tokenRequestShape>;
export type TokenAnswer = TypeOf<typeof tokenAnswerShape>;
export type SqlTokenRequest = TypeOf<typeof sqlTokenRequestShape>;
export type SqlTokenAnswer = TypeOf<typeof sqlTokenAnswerShape>;
export type LeaveRequest = TypeOf<typeof leaveRequestShape>;
export type LeaveAnswer = TypeOf<typeof leaveAnswerShape>;
export type RemoveAnswer = TypeOf<typeof removeAnswerShape>;
export type StopAnswer = TypeOf<typeof stopAnswerShape>;
export type ConfigView = TypeOf<typeof configViewShape>;
