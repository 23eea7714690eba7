/**
 * Tokens for SQL clients: JSON Web Tokens (RFC 7519) under EdDSA (RFC 8037), signed by a validator's node key. `iss`
 * is the validator's node id, `aud` the network id, `a` the right ("rw", "ro") as libSQL has it.
 */

import {
  asNodeId,
  fromBase64Url,
  fromUtf8,
  type NetworkId,
  type NodeId,
  toBase64Url,
  utf8,
} from "../../base/index.ts";
import { type NodeKey, publicKeyOfNodeId, sign, verify } from "./keys.ts";

export type SqlTokenMode = "rw" | "ro";

export interface SqlTokenClaims {
  readonly mode: SqlTokenMode;
  readonly issuer: NodeId;
  /** Null: it does not expire. */
  readonly expiresAtMs: number | null;
}

export type SqlTokenVerdict =
  | { readonly ok: true; readonly claims: SqlTokenClaims }
  | { readonly ok: false; readonly reason: string };

export interface SqlTokenContext {
  readonly networkId: NetworkId;
  /** Whether a node may sign tokens now. */
  readonly isValidator: (node: NodeId) => boolean;
  readonly nowMs: number;
}

const TOKEN_LENGTH_MAX = 1_024;
const CACHE_COUNT_MAX = 256;
const HEADER = toBase64Url(utf8('{"alg":"EdDSA","typ":"JWT"}'));

/** `expiresAtMs` null makes a token that holds until its issuer is no validator any more. */
export function createSqlToken(
  issuer: NodeKey,
  options: {
    readonly networkId: NetworkId;
    readonly mode: SqlTokenMode;
    readonly nowMs: number;
    readonly expiresAtMs: number | null;
  },
): string {
  const claims = {
    iss: issuer.nodeId,
    aud: options.networkId,
    a: options.mode,
    iat: Math.floor(options.nowMs / 1_000),
    ...(options.expiresAtMs === null ? {} : { exp: Math.ceil(options.expiresAtMs / 1_000) }),
  };
  const signed = `${HEADER}.${toBase64Url(utf8(JSON.stringify(claims)))}`;
  return `${signed}.${toBase64Url(sign(issuer, utf8(signed)))}`;
}

/** Checks a token from a client; never throws. PERF: a signature each time; `SqlTokenVerifier` keeps the outcome. */
export function verifySqlToken(token: string, context: SqlTokenContext): SqlTokenVerdict {
  const parsed = parseSqlToken(token);
  if (parsed === null) return refused("it is no token of this kind, or altered");
  return judge(parsed, context);
}

/** Verifies tokens that come again and again: a good signature is checked once. */
export class SqlTokenVerifier {
  readonly #parsed = new Map<string, ParsedToken>();

  verify(token: string, context: SqlTokenContext): SqlTokenVerdict {
    const known = this.#parsed.get(token);
    if (known !== undefined) return judge(known, context);
    const parsed = parseSqlToken(token);
    if (parsed === null) return refused("it is no token of this kind, or altered");
    const verdict = judge(parsed, context);
    if (verdict.ok) this.#remember(token, parsed);
    return verdict;
  }

  #remember(token: string, parsed: ParsedToken): void {
    const oldest = this.#parsed.keys().next();
    if (this.#parsed.size >= CACHE_COUNT_MAX && !oldest.done) this.#parsed.delete(oldest.value);
    this.#parsed.set(token, parsed);
  }
}

interface ParsedToken extends SqlTokenClaims {
  readonly audience: string;
}

function judge(token: ParsedToken, context: SqlTokenContext): SqlTokenVerdict {
  if (token.audience !== context.networkId) return refused("it is of another network");
  if (token.expiresAtMs !== null && context.nowMs >= token.expiresAtMs) {
    return refused("it has expired");
  }
  if (!context.isValidator(token.issuer)) return refused("its issuer is no validator any more");
  const { mode, issuer, expiresAtMs } = token;
  return { ok: true, claims: { mode, issuer, expiresAtMs } };
}

/** The claims when the signature is that of the issuer they name; null for all else. */
function parseSqlToken(token: string): ParsedToken | null {
  if (token.length > TOKEN_LENGTH_MAX) return null;
  const [header, payload, signature, ...rest] = token.split(".");
  if (header === undefined || payload === undefined || signature === undefined) return null;
  if (rest.length > 0 || !isEdDsa(parseJson(header))) return null;
  const claims = readClaims(parseJson(payload));
  const key = claims === null ? null : publicKeyOfNodeId(claims.issuer);
  const signatureBytes = fromBase64Url(signature);
  if (claims === null || key === null || signatureBytes === null) return null;
  return verify(key, utf8(`${header}.${payload}`), signatureBytes) ? claims : null;
}

function isEdDsa(header: Readonly<Record<string, unknown>> | null): boolean {
  if (header === null) return false;
  const { alg, crit } = header;
  return alg === "EdDSA" && crit === undefined;
}

function readClaims(claims: Readonly<Record<string, unknown>> | null): ParsedToken | null {
  if (claims === null) return null;
  const { iss, aud, a: mode, exp, nbf } = claims;
  if (typeof iss !== "string" || typeof aud !== "string") return null;
  if ((mode !== "rw" && mode !== "ro") || nbf !== undefined) return null;
  if (exp !== undefined && !(typeof exp === "number" && Number.isFinite(exp))) return null;
  const expiresAtMs = exp === undefined ? null : exp * 1_000;
  return { mode, issuer: asNodeId(iss), audience: aud, expiresAtMs };
}

function parseJson(part: string): Readonly<Record<string, unknown>> | null {
  const bytes = fromBase64Url(part);
  if (bytes === null) return null;
  try {
    const value: unknown = JSON.parse(fromUtf8(bytes));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    // Not JSON, not UTF-8: not a token.
    return null;
  }
}

function refused(reason: string): SqlTokenVerdict {
  return { ok: false, reason };
}
