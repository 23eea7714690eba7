/** The door for records and proofs from outside: everything is checked, what is good goes into the latent map. */

import { errorCodeOf, type NodeId } from "../../base/index.ts";
import type { Network, NodeKey } from "../../domain/identity/index.ts";
import {
  checkEntry,
  decodePrimaryProof,
  type EntryVerdict,
  encodePrimaryProof,
  encodeSignedRecord,
  type LatentMap,
  type NodeRecord,
  type SignedRecord,
} from "../../domain/spore/index.ts";
import type { Clock, Logger, Metrics } from "../../ports/index.ts";
import type { MemberView } from "./parts.ts";
import type { Prover } from "./prover.ts";
import type { SelfRecord } from "./self-record.ts";
import type { SporeBundle } from "./spore-bundle.ts";

export interface IntakeOptions {
  readonly network: Network;
  readonly key: NodeKey;
  readonly members: MemberView;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/**
 * `news`: another node, or one that can be reached elsewhere. `renewed`: nothing but number, time and activity differ.
 * `known`: nothing new, no fault either.
 */
export type Taken = "news" | "renewed" | "known" | "refused";

export class SporeIntake {
  readonly #options: IntakeOptions;
  readonly #latent: LatentMap;
  readonly #prover: Prover;
  readonly #self: SelfRecord;

  constructor(
    options: IntakeOptions,
    parts: { readonly latent: LatentMap; readonly prover: Prover; readonly self: SelfRecord },
  ) {
    this.#options = options;
    this.#latent = parts.latent;
    this.#prover = parts.prover;
    this.#self = parts.self;
  }

  /** Checks a record and merges it. `source` is null for the own disk and for a seed: what they hold proves itself. */
  takeRecord(encoded: Uint8Array, source: NodeId | null, heardAtMs: number): Taken {
    const { clock, members, network } = this.#options;
    const nowMs = clock.wallMs();
    const seenAtMs = Math.min(heardAtMs, nowMs);
    const verdict = checkEntry(encoded, {
      network,
      nowMs,
      isRevoked: members.isRevoked,
      held: (node) => this.#latent.get(node)?.signed ?? null,
      sourceIsTrusted: source === null || !members.isRevoked(source),
    });
    if (verdict.ok) return this.#merge(verdict.entry, seenAtMs);
    if (verdict.check !== null) {
      this.#tellRefusal(source, verdict);
      return "refused";
    }
    if (source !== null) this.#latent.seen(source, seenAtMs);
    return "known";
  }

  /** True when anything of it was news. */
  takeRecords(
    records: readonly { readonly record: Uint8Array; readonly seenAtMs: number }[],
    source: NodeId | null,
  ): boolean {
    let isNews = false;
    for (const { record, seenAtMs } of records) {
      if (this.takeRecord(record, source, seenAtMs) === "news") isNews = true;
    }
    return isNews;
  }

  takeProof(encoded: Uint8Array): "better" | "known" | "invalid" {
    try {
      return this.#prover.learn(decodePrimaryProof(encoded));
    } catch (error) {
      if (errorCodeOf(error) !== "MALFORMED") throw error;
      return "invalid";
    }
  }

  /** True when anything of it was news. */
  takeBundle({ records, proof }: SporeBundle, source: NodeId | null): boolean {
    if (proof !== null) this.takeProof(proof);
    return this.takeRecords(records, source);
  }

  /** All that is held, for the cache and for whoever pulls. */
  bundle(): SporeBundle {
    const { best } = this.#prover;
    const records = this.#latent.entries().map(({ signed, seenAtMs }) => {
      return { record: encodeSignedRecord(signed), seenAtMs };
    });
    return { records, proof: best === null ? null : encodePrimaryProof(best) };
  }

  #merge(signed: SignedRecord, seenAtMs: number): Taken {
    const { node, sequence } = signed.record;
    // Of an earlier life whose cache is lost: the next publication outranks it.
    if (node === this.#options.key.nodeId) {
      this.#self.outrank(sequence);
      return "known";
    }
    const held = this.#latent.get(node)?.signed.record;
    if (!this.#latent.merge(signed, seenAtMs)) return "known";
    return held !== undefined && isSameBesidesTime(held, signed.record) ? "renewed" : "news";
  }

  #tellRefusal(source: NodeId | null, verdict: Extract<EntryVerdict, { ok: false }>): void {
    const { check, reason } = verdict;
    this.#options.metrics.count("mycelium_spores_refused_total", 1, { check: check ?? "none" });
    this.#options.logger.debug("spore refused", { source, check, reason });
  }
}

function isSameBesidesTime(a: NodeRecord, b: NodeRecord): boolean {
  const timeless = { sequence: 0, issuedAtMs: 0, activity: [] };
  return JSON.stringify({ ...a, ...timeless }) === JSON.stringify({ ...b, ...timeless });
}
