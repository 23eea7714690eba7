/**
 * Typed client of a running agent's local API (`domain/api`) over its Unix socket. Answers are bounded and checked
 * by shape; the agent's refusals arrive as the same `MyceliumError` they were there.
 */

import { type ErrorCode, MyceliumError, messageOf, type NodeId } from "../base/index.ts";
import {
  API_ANSWER_SIZE_MAX,
  type ConfigView,
  configViewShape,
  errorAnswerShape,
  type LeaveAnswer,
  leaveAnswerShape,
  type RemoveAnswer,
  removeAnswerShape,
  type SqlTokenAnswer,
  type SqlTokenRequest,
  type Status,
  type StopAnswer,
  sqlTokenAnswerShape,
  statusShape,
  stopAnswerShape,
  type TokenAnswer,
  type TokenRequest,
  tokenAnswerShape,
  type UpdateApproveRequest,
  type UpdatePlanRequest,
  type UpdateRollbackRequest,
  type UpdateStatus,
  updateStatusShape,
} from "../domain/api/index.ts";
import { malformed, type Shape } from "../domain/wire/index.ts";
import { readBounded } from "./read-bounded.ts";

const ANSWER_TIMEOUT_MS = 5_000;
/** Requests that the network decides wait for a leader as long as the gateway does (10 s), and a little more. */
const DECISION_TIMEOUT_MS = 15_000;
/** A look for releases asks every source, one after the other. */
const CHECK_TIMEOUT_MS = 120_000;
/** Leaving takes a change of every Raft group, one after the other. */
const LEAVE_TIMEOUT_MS = 60_000;

interface Call {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
  readonly timeoutMs?: number;
}

export class LocalClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** Each call rejects with NOT_RUNNING, TIMEOUT, MALFORMED (not our agent) or the agent's own error. */
  status(): Promise<Status> {
    return this.#call({ method: "GET", path: "/v1/status" }, statusShape);
  }

  config(): Promise<ConfigView> {
    return this.#call({ method: "GET", path: "/v1/config" }, configViewShape);
  }

  createToken(body: TokenRequest): Promise<TokenAnswer> {
    return this.#decide({ method: "POST", path: "/v1/tokens", body }, tokenAnswerShape);
  }

  createSqlToken(body: SqlTokenRequest): Promise<SqlTokenAnswer> {
    return this.#decide({ method: "POST", path: "/v1/sql-tokens", body }, sqlTokenAnswerShape);
  }

  leave(wipe: boolean): Promise<LeaveAnswer> {
    const call = { method: "POST", path: "/v1/leave", body: { wipe } } as const;
    return this.#call({ ...call, timeoutMs: LEAVE_TIMEOUT_MS }, leaveAnswerShape);
  }

  removeNode(node: NodeId): Promise<RemoveAnswer> {
    const path = `/v1/nodes/${encodeURIComponent(node)}`;
    return this.#decide({ method: "DELETE", path }, removeAnswerShape);
  }

  stop(): Promise<StopAnswer> {
    return this.#call({ method: "POST", path: "/v1/stop", body: {} }, stopAnswerShape);
  }

  update(): Promise<UpdateStatus> {
    return this.#call({ method: "GET", path: "/v1/update" }, updateStatusShape);
  }

  /** Looks for releases, which may lie far away. */
  checkUpdate(): Promise<UpdateStatus> {
    return this.#update("check", {}, CHECK_TIMEOUT_MS);
  }

  planUpdate(body: UpdatePlanRequest): Promise<UpdateStatus> {
    return this.#update("plan", body, CHECK_TIMEOUT_MS);
  }

  approveUpdate(body: UpdateApproveRequest): Promise<UpdateStatus> {
    return this.#update("approve", body);
  }

  commandUpdate(command: "pause" | "resume" | "abort"): Promise<UpdateStatus> {
    return this.#update(command, {});
  }

  rollbackUpdate(body: UpdateRollbackRequest): Promise<UpdateStatus> {
    return this.#update("rollback", body);
  }

  /** For Hrana and whatever else the socket serves; `path` begins with "/". Rejects with NOT_RUNNING. */
  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    try {
      return await fetch(`http://localhost${path}`, { ...init, unix: this.#socketPath });
    } catch (error) {
      throw this.#failure(error);
    }
  }

  #update(what: string, body: unknown, timeoutMs = DECISION_TIMEOUT_MS): Promise<UpdateStatus> {
    const call = { method: "POST", path: `/v1/update/${what}`, body, timeoutMs } as const;
    return this.#call(call, updateStatusShape);
  }

  #decide<T>(call: Call, shape: Shape<T>): Promise<T> {
    return this.#call({ ...call, timeoutMs: DECISION_TIMEOUT_MS }, shape);
  }

  async #call<T>(call: Call, shape: Shape<T>): Promise<T> {
    const what = `the agent's answer to ${call.method} ${call.path}`;
    const response = await this.fetch(call.path, {
      method: call.method,
      signal: AbortSignal.timeout(call.timeoutMs ?? ANSWER_TIMEOUT_MS),
      ...(call.body === undefined
        ? {}
        : { body: JSON.stringify(call.body), headers: { "content-type": "application/json" } }),
    });
    const answer = await this.#json(response, what);
    if (response.ok) return shape(answer, what);
    const { error } = errorAnswerShape(answer, what);
    // The code list of a newer agent may be longer than ours: an unknown code is shown as it is.
    throw new MyceliumError(error.code as ErrorCode, error.message);
  }

  async #json(response: Response, what: string): Promise<unknown> {
    let text: string;
    try {
      text = await readBounded(response, API_ANSWER_SIZE_MAX, what);
    } catch (error) {
      throw error instanceof MyceliumError ? error : this.#failure(error);
    }
    try {
      return JSON.parse(text);
    } catch {
      throw malformed(what, "JSON", text);
    }
  }

  #failure(error: unknown): MyceliumError {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const name = error instanceof Error ? error.name : "";
    if (name === "TimeoutError" || name === "AbortError") {
      return new MyceliumError(
        "TIMEOUT",
        `Cannot ask the agent at ${this.#socketPath}: it did not answer in time; ` +
          "try again, or look at `mycelium logs`",
        { cause: error },
      );
    }
    if (code === "EACCES" || code === "EPERM") {
      return new MyceliumError(
        "FORBIDDEN",
        `Cannot ask the agent at ${this.#socketPath}: its socket belongs to another user; ` +
          "run this as root (sudo) or as that user",
        { cause: error },
      );
    }
    const found =
      code === "ENOENT"
        ? "there is no such socket"
        : `nothing listens (${code || messageOf(error)})`;
    return new MyceliumError(
      "NOT_RUNNING",
      `Cannot ask the agent at ${this.#socketPath}: ${found}; start it with \`mycelium run\`, ` +
        "or name another state directory with --state",
      { cause: error },
    );
  }
}
