/**
 * Who sends a request: the owner of the Unix socket, or the bearer of a token. Loopback is not exempt. Tokens that
 * held are remembered for a few seconds, because checking a signature costs more than serving a small request.
 */

import type { Clock } from "../../ports/index.ts";
import type { Authorize } from "./options.ts";
import { HttpRefusal } from "./refusal.ts";

export type GatewayRole = "read" | "write";

/** A revoked token or a removed signer is noticed within this time. */
const REMEMBER_MS = 5_000;
const REMEMBERED_MAX = 1_000;
const TOKEN_LENGTH_MAX = 4_096;
const BEARER = /^bearer +(\S+)$/i;

export class Authorizer {
  readonly #authorize: Authorize;
  readonly #clock: Clock;
  readonly #remembered = new Map<
    string,
    { readonly role: GatewayRole; readonly untilMs: number }
  >();

  constructor(authorize: Authorize, clock: Clock) {
    this.#authorize = authorize;
    this.#clock = clock;
  }

  /** Throws HttpRefusal: 401 without a valid token, 403 when it does not allow SQL. */
  roleOf(request: Request, local: boolean): GatewayRole {
    if (local) return "write";
    const header = request.headers.get("authorization");
    if (header === null) throw unauthorized("the request has no bearer token");
    const known = this.#remembered.get(header);
    if (known !== undefined && known.untilMs > this.#clock.monotonicMs()) return known.role;
    return this.#check(header);
  }

  #check(header: string): GatewayRole {
    this.#remembered.delete(header);
    const token = header.length <= TOKEN_LENGTH_MAX ? BEARER.exec(header)?.[1] : undefined;
    if (token === undefined) throw unauthorized("the Authorization header is not `Bearer TOKEN`");
    const verdict = this.#authorize(token);
    if (!verdict.ok) {
      const status = verdict.code === "FORBIDDEN" ? 403 : 401;
      throw new HttpRefusal(status, verdict.code, verdict.message);
    }
    const lifetimeMs = Math.min(REMEMBER_MS, verdict.expiresAtMs - this.#clock.wallMs());
    if (this.#remembered.size >= REMEMBERED_MAX) this.#remembered.clear();
    const untilMs = this.#clock.monotonicMs() + lifetimeMs;
    this.#remembered.set(header, { role: verdict.role, untilMs });
    return verdict.role;
  }
}

function unauthorized(found: string): HttpRefusal {
  return new HttpRefusal(
    401,
    "UNAUTHORIZED",
    `Cannot run SQL: ${found}; make one with \`mycelium token create --sql rw\` and send it as \`Authorization: Bearer TOKEN\``,
  );
}
