/**
 * The agent's two doors: HTTP on PORT for SQL clients, joiners and probes, and the same with the local API on a
 * Unix socket that only the node's owner can open.
 */

import { chmodSync, rmSync } from "node:fs";
import { MyceliumError, messageOf } from "../base/index.ts";
import type { Logger } from "../ports/index.ts";
import { type RequestOrigin, SqlGateway } from "../runtime/gateway/index.ts";
import { boundedBody } from "./bounded-body.ts";
import { errorResponse, refusal, textResponse } from "./responses.ts";

/** A request that waits for a quorum is silent for as long as it may be retried. */
const IDLE_TIMEOUT_S = 60;
const BODY_SIZE_MAX = 32 << 20;
const ENROL_SIZE_MAX = 64 << 10;

export interface HttpHandlers {
  readonly gateway: SqlGateway;
  /** Answers an enrolment's bytes; null where this node admits nobody. */
  readonly enrol: ((body: Uint8Array) => Promise<Uint8Array>) | null;
  readonly metrics: () => string;
  /** Why this node cannot serve now; empty when it can. */
  readonly unready: () => readonly string[];
  /** The local API, for paths under /v1/. */
  readonly local: (request: Request, path: string) => Promise<Response>;
}

type Server = ReturnType<typeof Bun.serve>;

export class HttpServer {
  readonly #handlers: HttpHandlers;
  readonly #logger: Logger;
  #servers: Server[] = [];

  constructor(handlers: HttpHandlers, logger: Logger) {
    this.#handlers = handlers;
    this.#logger = logger;
  }

  /** Throws PORT_TAKEN. Returns the port in use. */
  listen(host: string, port: number): number {
    try {
      const server = Bun.serve({
        hostname: host,
        port,
        idleTimeout: IDLE_TIMEOUT_S,
        maxRequestBodySize: BODY_SIZE_MAX,
        fetch: (request) => this.#answer(request, { local: false }),
        error: (error) => this.#failed(error),
      });
      this.#servers.push(server);
      return server.port ?? port;
    } catch (error) {
      throw portError(host, port, error);
    }
  }

  /** The caller holds the state directory's lock, so whatever is at `path` is a dead agent's. */
  listenLocal(path: string): void {
    rmSync(path, { force: true });
    // The socket is its owner's from the moment it is there: a mode set later would leave a moment for others.
    const umask = process.umask(0o177);
    try {
      const server = Bun.serve({
        unix: path,
        maxRequestBodySize: BODY_SIZE_MAX,
        fetch: (request) => this.#answer(request, { local: true }),
        error: (error) => this.#failed(error),
      });
      this.#servers.push(server);
    } finally {
      process.umask(umask);
    }
    chmodSync(path, 0o600);
  }

  /** Takes no new requests and lets those under way end. */
  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.stop()));
    this.#servers = [];
  }

  /** Cuts what is still open. */
  async cut(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.stop(true)));
    this.#servers = [];
  }

  #answer(request: Request, origin: RequestOrigin): Promise<Response> | Response {
    const path = pathOf(request.url);
    if (path === "/v3/pipeline" || SqlGateway.serves(path)) {
      return this.#handlers.gateway.handle(request, origin);
    }
    switch (path) {
      case "/healthz":
        return textResponse(200, "ok\n");
      case "/readyz":
        return this.#readiness();
      case "/metrics":
        return textResponse(200, this.#handlers.metrics(), "text/plain; version=0.0.4");
      case "/enrol":
        return this.#enrol(request);
      default:
        if (origin.local && path.startsWith("/v1/")) return this.#handlers.local(request, path);
        return errorResponse(
          404,
          "BAD_ARGUMENT",
          `Cannot serve ${request.method} ${path.slice(0, 200)}: there is no such path`,
        );
    }
  }

  #readiness(): Response {
    const reasons = this.#handlers.unready();
    return reasons.length === 0
      ? textResponse(200, "ready\n")
      : textResponse(503, `${reasons.join("\n")}\n`);
  }

  async #enrol(request: Request): Promise<Response> {
    if (request.method !== "POST") {
      return errorResponse(
        405,
        "BAD_ARGUMENT",
        "Cannot enrol: needed a POST, as `mycelium join` sends it",
      );
    }
    if (this.#handlers.enrol === null) {
      return errorResponse(
        503,
        "UNREACHABLE",
        "Cannot enrol here: this node is no validator; ask one that is",
      );
    }
    try {
      const body = await boundedBody(request, ENROL_SIZE_MAX);
      const answer = await this.#handlers.enrol(body);
      return new Response(new Uint8Array(answer), {
        headers: { "content-type": "application/cbor" },
      });
    } catch (error) {
      return refusal(error);
    }
  }

  #failed(error: unknown): Response {
    this.#logger.error("http request failed", { reason: messageOf(error) });
    return errorResponse(
      500,
      "INTERNAL",
      "Cannot answer: an internal error, which is in this node's log",
    );
  }
}

/** The path of a URL without building a URL object: this is on the way of every request. */
function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  if (start < 0) return "/";
  const end = url.indexOf("?", start);
  return end < 0 ? url.slice(start) : url.slice(start, end);
}

function portError(host: string, port: number, error: unknown): MyceliumError {
  const message = messageOf(error);
  if (/in use|EADDRINUSE/i.test(message) || (error as { code?: string }).code === "EADDRINUSE") {
    return new MyceliumError(
      "PORT_TAKEN",
      `Cannot listen on ${host}:${port}: another program uses the port; stop it, or set another with --port`,
      { cause: error },
    );
  }
  return new MyceliumError(
    "BAD_CONFIG",
    `Cannot listen on ${host}:${port}: ${message}; check --host and --port`,
    {
      cause: error,
    },
  );
}
