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

  /**
   * Checks a record and merges it. `source` is null for the own disk and for a seed: what they hold proves itself.
   * A verdict that is ok is news.
   */
  takeRecord(encoded: Uint8Array, source: NodeId | null, heardAtMs: number): EntryVerdict {
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
    if (verdict.ok) this.#merge(verdict.entry, seenAtMs);
    else if (verdict.check !== null) this.#tellRefusal(source, verdict);
    else if (source !== null) this.#latent.seen(source, seenAtMs);
    return verdict;
  }

  /** True when anything of it was news. */
  takeRecords(
    records: readonly { readonly record: Uint8Array; readonly seenAtMs: number }[],
    source: NodeId | null,
  ): boolean {
    let isNews = false;
    for (const { record, seenAtMs } of records) {
      if (this.takeRecord(record, source, seenAtMs).ok) isNews = true;
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

  #merge(signed: SignedRecord, seenAtMs: number): void {
    // Of an earlier life whose cache is lost: the next publication outranks it.
    if (signed.record.node === this.#options.key.nodeId) {
      this.#self.outrank(signed.record.sequence);
    } else {
      this.#latent.merge(signed, seenAtMs);
    }
  }

  #tellRefusal(source: NodeId | null, verdict: Extract<EntryVerdict, { ok: false }>): void {
    const { check, reason } = verdict;
    this.#options.metrics.count("mycelium_spores_refused_total", 1, { check: check ?? "none" });
    this.#options.logger.debug("spore refused", { source, check, reason });
  }
}
