/** A gateway over `SingleNodeSql` behind a real HTTP server on loopback: a node as libSQL clients see one. */

import type { Clock, Logger, Metrics } from "../../../src/ports/index.ts";
import { type GatewayLimits, SqlGateway } from "../../../src/runtime/gateway/index.ts";
import { SingleNodeSql } from "./single-node-sql.ts";
import type { SuiteNode } from "./suite-node.ts";

const clock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

const logger: Logger = {
  debug: () => {},
  info: () => {},
  warn: console.warn,
  error: console.error,
  with: () => logger,
};

const metrics: Metrics = { count: () => {}, gauge: () => {}, observeSeconds: () => {} };

export interface GatewayNode extends SuiteNode {
  readonly gateway: SqlGateway;
  readonly sql: SingleNodeSql;
}

export function startGatewayNode(limits: Partial<GatewayLimits> = {}): GatewayNode {
  const sql = new SingleNodeSql();
  const gateway = new SqlGateway({
    sql,
    clock,
    logger,
    metrics,
    limits,
    secret: crypto.getRandomValues(new Uint8Array(32)),
    authorize: (token) =>
      token === "rw" || token === "ro"
        ? { ok: true, role: token === "rw" ? "write" : "read", expiresAtMs: Date.now() + 60_000 }
        : { ok: false, code: "UNAUTHORIZED", message: "Cannot run SQL: the token is unknown" },
  });
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => gateway.handle(request, { local: false }),
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    writeToken: "rw",
    readToken: "ro",
    gateway,
    sql,
    stop: async () => {
      await gateway.close();
      await server.stop(true);
      sql.close();
    },
  };
}
