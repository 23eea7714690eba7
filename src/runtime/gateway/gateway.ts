/**
 * SQL over the network: Hrana 2 and 3 over HTTP with JSON, as a function from request to response. The agent mounts
 * it on PORT and on the Unix socket. Source: Hrana 3, "Hrana over HTTP".
 *
 * Order for each request: path, token, room, body, stream, run, answer. Nothing is run before all checks passed.
 */

import { errorCodeOf, messageOf } from "../../base/index.ts";
import {
  encodeCursorEntries,
  encodeCursorError,
  encodeCursorHead,
  encodePipeline,
  parseCursor,
  parsePipeline,
  ResponseBudget,
} from "../../domain/hrana/index.ts";
import type { ProgramResult } from "../../domain/sql/index.ts";
import { Authorizer, type GatewayRole } from "./authorization.ts";
import { BodyReader } from "./body.ts";
import { CONSISTENCY_HEADER, parseConsistency } from "./consistency.ts";
import { streamOfLines } from "./line-stream.ts";
import { DEFAULT_LIMITS, type GatewayDependencies, type GatewayLimits } from "./options.ts";
import { runBatch, runPipeline } from "./pipeline.ts";
import { HttpRefusal, hranaErrorOf, jsonResponse, refusalResponse } from "./refusal.ts";
import { REQUEST_ID_HEADER, RequestIdSource } from "./request-ids.ts";
import type { Call } from "./stream.ts";
import { StreamTable, type TakenStream } from "./stream-table.ts";

/** Where a request came in. The Unix socket belongs to this node's owner and needs no token. */
export interface RequestOrigin {
  readonly local: boolean;
}

type Endpoint = "greeting" | "pipeline" | "cursor";

const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map([
  ["/", "greeting"],
  ["/health", "greeting"],
  ["/v2", "greeting"],
  ["/v2/", "greeting"],
  ["/v3", "greeting"],
  ["/v3/", "greeting"],
  ["/v2/pipeline", "pipeline"],
  ["/v3/pipeline", "pipeline"],
  ["/v3/cursor", "cursor"],
]);

export class SqlGateway {
  readonly #dependencies: GatewayDependencies;
  readonly #limits: GatewayLimits;
  readonly #authorizer: Authorizer;
  readonly #bodies: BodyReader;
  readonly #ids: RequestIdSource;
  readonly #streams: StreamTable;
  #inFlight = 0;
  #closed = false;

  constructor(dependencies: GatewayDependencies) {
    const { authorize, clock, logger, secret, sql } = dependencies;
    this.#dependencies = dependencies;
    this.#limits = { ...DEFAULT_LIMITS, ...dependencies.limits };
    this.#authorizer = new Authorizer(authorize, clock);
    this.#bodies = new BodyReader(this.#limits);
    this.#ids = new RequestIdSource(secret);
    this.#streams = new StreamTable({ sql, clock, logger, secret, limits: this.#limits });
  }

  /** Whether a path is served here. */
  static serves(pathname: string): boolean {
    return ENDPOINTS.has(pathname);
  }

  get streamCount(): number {
    return this.#streams.count;
  }

  /** Answers a request. Rejects only on a bug. */
  async handle(request: Request, origin: RequestOrigin): Promise<Response> {
    try {
      const endpoint = endpointOf(request);
      if (endpoint === "greeting") return new Response("Mycelium speaks Hrana 2 and 3 here\n");
      const role = this.#authorizer.roleOf(request, origin.local);
      return await this.#admitted(request, endpoint, role);
    } catch (error) {
      if (error instanceof HttpRefusal) return this.#refuse(error);
      if (errorCodeOf(error) !== "MALFORMED") throw error;
      return this.#refuse(new HttpRefusal(400, "MALFORMED", messageOf(error)));
    }
  }

  /** Refuses new requests and rolls back what is open. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#streams.closeAll();
  }

  async #admitted(
    request: Request,
    endpoint: "pipeline" | "cursor",
    role: GatewayRole,
  ): Promise<Response> {
    if (this.#closed) {
      throw new HttpRefusal(503, "CLOSED", "Cannot run SQL: this node is stopping; ask another");
    }
    if (this.#inFlight >= this.#limits.inFlightMax) {
      throw new HttpRefusal(
        429,
        "OVERLOADED",
        `Cannot run SQL: ${this.#limits.inFlightMax} requests are being served; try again later`,
      );
    }
    this.#inFlight++;
    try {
      const call = this.#callOf(request);
      return await this.#bodies.serve(request, (json) =>
        endpoint === "pipeline" ? this.#pipeline(json, role, call) : this.#cursor(json, role, call),
      );
    } finally {
      this.#inFlight--;
    }
  }

  #callOf(request: Request): Call {
    const { headers } = request;
    return {
      consistency: parseConsistency(headers.get(CONSISTENCY_HEADER)),
      ids: this.#ids.forPipeline(headers.get(REQUEST_ID_HEADER)),
    };
  }

  async #pipeline(json: unknown, role: GatewayRole, call: Call): Promise<Response> {
    const { baton, requests } = parsePipeline(json);
    const { clock, metrics } = this.#dependencies;
    const startedMs = clock.monotonicMs();
    const budget = new ResponseBudget(this.#limits.response);
    const { result, baton: nextBaton } = await this.#onStream(baton, role, async ({ stream }) => {
      const outcome = await runPipeline(stream, requests, call, budget);
      return { result: outcome.results, closed: outcome.closed };
    });
    metrics.observeSeconds(
      "mycelium_sql_pipeline_seconds",
      (clock.monotonicMs() - startedMs) / 1e3,
    );
    return jsonResponse(encodePipeline(nextBaton, result));
  }

  async #cursor(json: unknown, role: GatewayRole, call: Call): Promise<Response> {
    const { baton, steps } = parseCursor(json);
    const { result, baton: nextBaton } = await this.#onStream(baton, role, async ({ stream }) => {
      const lines = await runBatch(stream, steps, call).then(
        (outcome) => this.#cursorLines(outcome),
        (error: unknown) => [encodeCursorError(hranaErrorOf(error))],
      );
      return { result: lines, closed: false };
    });
    const headers = { "content-type": "application/x-ndjson" };
    return new Response(streamOfLines(encodeCursorHead(nextBaton), result), { headers });
  }

  *#cursorLines(outcome: ProgramResult): Generator<string> {
    try {
      yield* encodeCursorEntries(outcome, new ResponseBudget(this.#limits.cursor));
    } catch (error) {
      yield encodeCursorError(hranaErrorOf(error));
    }
  }

  /** Takes the stream, runs, and keeps it for its next request unless it was closed or a bug came up. */
  async #onStream<T>(
    baton: string | null,
    role: GatewayRole,
    run: (taken: TakenStream) => Promise<{ readonly result: T; readonly closed: boolean }>,
  ): Promise<{ readonly result: T; readonly baton: string | null }> {
    const taken = this.#streams.take(baton, role);
    let kept = false;
    try {
      const { result, closed } = await run(taken);
      kept = !closed && !this.#closed;
      return { result, baton: kept ? this.#streams.keep(taken) : null };
    } finally {
      if (!kept) await this.#streams.drop(taken);
      this.#dependencies.metrics.gauge("mycelium_sql_streams", this.#streams.count);
    }
  }

  #refuse(refusal: HttpRefusal): Response {
    const labels = { code: refusal.code };
    this.#dependencies.metrics.count("mycelium_sql_refused_total", 1, labels);
    return refusalResponse(refusal);
  }
}

function endpointOf(request: Request): Endpoint {
  const pathname = pathnameOf(request.url);
  const endpoint = ENDPOINTS.get(pathname);
  if (endpoint === undefined) {
    throw new HttpRefusal(
      404,
      "NOT_FOUND",
      "Cannot serve this path: SQL is served as Hrana with JSON at /v2/pipeline, /v3/pipeline and /v3/cursor",
    );
  }
  const method = endpoint === "greeting" ? "GET" : "POST";
  if (request.method === method || (method === "GET" && request.method === "HEAD")) return endpoint;
  throw new HttpRefusal(405, "METHOD_NOT_ALLOWED", `Cannot serve this request: needed ${method}`);
}

/** PERF: a tenth of the cost of `new URL`. */
function pathnameOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  if (start < 0) return "/";
  const query = url.indexOf("?", start);
  return query < 0 ? url.slice(start) : url.slice(start, query);
}
