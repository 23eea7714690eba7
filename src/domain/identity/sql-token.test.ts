import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { asNetworkId, type NodeId } from "../../base/index.ts";
import { nodeKeyFromSeed } from "./keys.ts";
import { createSqlToken, SqlTokenVerifier, verifySqlToken } from "./sql-token.ts";

const NOW = 1_800_000_000_000;
const issuer = nodeKeyFromSeed(new Uint8Array(32).fill(1));
const other = nodeKeyFromSeed(new Uint8Array(32).fill(2));
const networkId = asNetworkId("cd".repeat(32));
const context = { networkId, isValidator: (node: NodeId) => node === issuer.nodeId, nowMs: NOW };
const make = (key = issuer, mode: "rw" | "ro" = "rw", expiresAtMs: number | null = NOW + 60_000) =>
  createSqlToken(key, { networkId, mode, nowMs: NOW, expiresAtMs });

describe("SQL tokens", () => {
  test("carry right, issuer and expiry", () => {
    const verdict = verifySqlToken(make(issuer, "ro"), context);
    expect(verdict).toEqual({
      ok: true,
      claims: { mode: "ro", issuer: issuer.nodeId, expiresAtMs: NOW + 60_000 },
    });
    expect(verifySqlToken(make(issuer, "rw", null), context)).toMatchObject({
      claims: { expiresAtMs: null },
    });
  });

  test("are refused after expiry, elsewhere, and when the issuer is no validator", () => {
    expect(verifySqlToken(make(), { ...context, nowMs: NOW + 60_000 }).ok).toBe(false);
    const elsewhere = { ...context, networkId: asNetworkId("ef".repeat(32)) };
    expect(verifySqlToken(make(), elsewhere)).toMatchObject({ reason: "it is of another network" });
    expect(verifySqlToken(make(other), context).ok).toBe(false);
  });

  test("any changed letter is refused", () => {
    const token = make();
    for (let i = 0; i < token.length; i++) {
      const letter = token[i] === "A" ? "B" : "A";
      expect(verifySqlToken(token.slice(0, i) + letter + token.slice(i + 1), context).ok).toBe(
        false,
      );
    }
  });

  test("unsigned tokens, other algorithms and garbage are refused without throwing", () => {
    const [, payload, signature] = make().split(".");
    const none = Buffer.from('{"alg":"none"}').toString("base64url");
    for (const token of [
      `${none}.${payload}.`,
      `${none}.${payload}.${signature}`,
      "a.b.c",
      "",
      "..",
      "x".repeat(9_999),
    ]) {
      expect(verifySqlToken(token, context).ok).toBe(false);
    }
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(verifySqlToken(text, context).ok).toBe(false);
      }),
    );
  });

  test("a remembered token still expires and still needs a validator", () => {
    const verifier = new SqlTokenVerifier();
    const token = make();
    expect(verifier.verify(token, context).ok).toBe(true);
    expect(verifier.verify(token, context).ok).toBe(true);
    expect(verifier.verify(token, { ...context, nowMs: NOW + 70_000 }).ok).toBe(false);
    expect(verifier.verify(token, { ...context, isValidator: () => false }).ok).toBe(false);
  });
});
