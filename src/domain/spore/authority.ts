/**
 * Which view of the network to follow: primary before seed before latent before the own cache. A view counts as
 * primary or seed by its proof alone; of several, the highest valid proof wins.
 */

import { compareProofs, PROOF_FRESH_MS, type PrimaryProof } from "./primary-proof.ts";

export type Authority = "primary" | "seed" | "latent" | "cached" | "none";

export interface Claim {
  readonly authority: Exclude<Authority, "none">;
  /** A verified proof; null when there is none. */
  readonly proof: PrimaryProof | null;
}

const RANKS: Readonly<Record<Authority, number>> = {
  primary: 4,
  seed: 3,
  latent: 2,
  cached: 1,
  none: 0,
};

/** What a claim is worth: without a proof, or with one too old for a living primary, it is hearsay. */
export function provenAuthority({ authority, proof }: Claim, nowMs: number): Authority {
  if (authority === "latent" || authority === "cached") return authority;
  if (proof === null) return "latent";
  const isFresh = nowMs - proof.statement.issuedAtMs <= PROOF_FRESH_MS;
  return authority === "primary" && !isFresh ? "seed" : authority;
}

/** The claims, best first: a total preorder, equal claims in the order given. */
export function orderClaims<C extends Claim>(claims: readonly C[], nowMs: number): readonly C[] {
  return [...claims].sort((a, b) => compareClaims(b, a, nowMs));
}

/** Positive when `a` is to be followed rather than `b`. */
export function compareClaims(a: Claim, b: Claim, nowMs: number): number {
  const rank = RANKS[provenAuthority(a, nowMs)] - RANKS[provenAuthority(b, nowMs)];
  if (rank !== 0) return rank;
  if (a.proof === null || b.proof === null)
    return Number(a.proof !== null) - Number(b.proof !== null);
  return compareProofs(a.proof, b.proof);
}
