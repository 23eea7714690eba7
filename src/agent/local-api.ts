/** The local API: what `mycelium` commands ask a running agent. Shapes are in `domain/api`. */

import { asNodeId, MyceliumError, type NodeId } from "../base/index.ts";
import {
  API_BODY_SIZE_MAX,
  type ConfigView,
  type LeaveRequest,
  leaveRequestShape,
  type SqlTokenAnswer,
  type SqlTokenRequest,
  type Status,
  sqlTokenRequestShape,
  type TokenAnswer,
  type TokenRequest,
  tokenRequestShape,
  type UpdateStatus,
  updateApproveRequestShape,
  updatePlanRequestShape,
  updateRollbackRequestShape,
} from "../domain/api/index.ts";
import type { RolloutCommand } from "../domain/update/index.ts";
import type { Shape } from "../domain/wire/index.ts";
import type { RolloutOperator } from "../runtime/update/index.ts";
import { errorResponse, jsonResponse, refusal } from "./responses.ts";

export interface LocalActions {
  status(): Promise<Status>;
  config(): ConfigView;
  createToken(request: TokenRequest): Promise<TokenAnswer>;
  createSqlToken(request: SqlTokenRequest): SqlTokenAnswer;
  /** Leaves the network; the agent stops by itself afterwards. */
  leave(request: LeaveRequest): Promise<void>;
  removeNode(node: NodeId): Promise<void>;
  /** Begins a graceful stop. */
  stop(): void;
  /** `refresh`: with all that was changed before. */
  update(refresh: boolean): Promise<UpdateStatus>;
  /** Throws READ_ONLY where nothing can be changed. */
  rollouts(): RolloutOperator;
}

export class LocalApi {
  readonly #actions: LocalActions;

  constructor(actions: LocalActions) {
    this.#actions = actions;
  }

  async handle(request: Request, path: string): Promise<Response> {
    try {
      return await this.#route(request, path);
    } catch (error) {
      return refusal(error);
    }
  }

  async #route(request: Request, path: string): Promise<Response> {
    const actions = this.#actions;
    switch (`${request.method} ${path}`) {
      case "GET /v1/status":
        return jsonResponse(await actions.status());
      case "GET /v1/config":
        return jsonResponse(actions.config());
      case "POST /v1/tokens":
        return jsonResponse(await actions.createToken(await bodyOf(request, tokenRequestShape)));
      case "POST /v1/sql-tokens":
        return jsonResponse(actions.createSqlToken(await bodyOf(request, sqlTokenRequestShape)));
      case "POST /v1/leave": {
        const leave = await bodyOf(request, leaveRequestShape);
        await actions.leave(leave);
        return jsonResponse({ left: true, wiped: leave.wipe });
      }
      case "POST /v1/stop":
        actions.stop();
        return jsonResponse({ stopping: true });
      default:
        if (path === "/v1/update" || path.startsWith("/v1/update/")) {
          return this.#routeUpdate(request, path);
        }
        return this.#routeNode(request, path);
    }
  }

  /** Each answers how things are after it. */
  async #routeUpdate(request: Request, path: string): Promise<Response> {
    const actions = this.#actions;
    switch (`${request.method} ${path}`) {
      case "GET /v1/update":
        break;
      case "POST /v1/update/check":
        await actions.rollouts().check();
        break;
      case "POST /v1/update/plan": {
        const { version } = await bodyOf(request, updatePlanRequestShape);
        await actions.rollouts().plan(version ?? null);
        break;
      }
      case "POST /v1/update/approve": {
        const { version } = await bodyOf(request, updateApproveRequestShape);
        await actions.rollouts().approve(version);
        break;
      }
      case "POST /v1/update/pause":
      case "POST /v1/update/resume":
      case "POST /v1/update/abort":
        await actions.rollouts().command(path.slice("/v1/update/".length) as RolloutCommand);
        break;
      case "POST /v1/update/rollback": {
        const { version, nodes } = await bodyOf(request, updateRollbackRequestShape);
        await actions.rollouts().rollback(version, nodes ?? null);
        break;
      }
      default:
        return notFound(request, path);
    }
    return jsonResponse(await actions.update(request.method === "POST"));
  }

  async #routeNode(request: Request, path: string): Promise<Response> {
    const match = /^\/v1\/nodes\/([1-9A-HJ-NP-Za-km-z]{1,64})$/.exec(path);
    if (request.method === "DELETE" && match?.[1] !== undefined) {
      const node = asNodeId(match[1]);
      await this.#actions.removeNode(node);
      return jsonResponse({ removed: node });
    }
    return notFound(request, path);
  }
}

function notFound(request: Request, path: string): Response {
  return errorResponse(
    404,
    "BAD_ARGUMENT",
    `Cannot serve ${request.method} ${path.slice(0, 200)}: no such request`,
  );
}

async function bodyOf<T>(request: Request, shape: Shape<T>): Promise<T> {
  const text = await request.text();
  if (text.length > API_BODY_SIZE_MAX) {
    throw new MyceliumError(
      "TOO_LARGE",
      `Cannot read the request: needed at most ${API_BODY_SIZE_MAX} bytes`,
    );
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text === "" ? "{}" : text);
  } catch (error) {
    throw new MyceliumError("MALFORMED", "Cannot read the request: it is not JSON", {
      cause: error,
    });
  }
  return shape(parsed, "the request");
}
