/** The own node record: a new number for each publication, higher than any before, also after the cache was lost. */

import type { NetworkId } from "../../base/index.ts";
import type { NodeKey } from "../../domain/identity/index.ts";
import {
  type ActivityPeriod,
  beginActivity,
  continueActivity,
  type SignedRecord,
  signRecord,
} from "../../domain/spore/index.ts";
import type { SelfDescription } from "./parts.ts";

export class SelfRecord {
  readonly #networkId: NetworkId;
  readonly #key: NodeKey;
  readonly #grant: Uint8Array;
  #sequence = 0;
  #activity: readonly ActivityPeriod[] = [];
  #lastDescription = "";

  constructor(networkId: NetworkId, key: NodeKey, grant: Uint8Array) {
    this.#networkId = networkId;
    this.#key = key;
    this.#grant = grant;
  }

  /** Continues from the record of the last start, if it is known. */
  begin(previous: SignedRecord | null, nowMs: number): void {
    this.#sequence = previous?.record.sequence ?? 0;
    this.#activity = beginActivity(previous?.record.activity ?? [], nowMs);
  }

  /** A record numbered higher than ours is about: ours must outrank it. */
  outrank(sequence: number): void {
    this.#sequence = Math.max(this.#sequence, sequence);
  }

  /** Whether the description differs from the one signed last. */
  hasChanged(description: SelfDescription): boolean {
    return JSON.stringify(description) !== this.#lastDescription;
  }

  sign(description: SelfDescription, nowMs: number): SignedRecord {
    this.#sequence = Math.max(this.#sequence + 1, nowMs);
    this.#activity = continueActivity(this.#activity, nowMs);
    this.#lastDescription = JSON.stringify(description);
    const record = {
      networkId: this.#networkId,
      node: this.#key.nodeId,
      ...description,
      sequence: this.#sequence,
      issuedAtMs: nowMs,
      activity: this.#activity,
    };
    return signRecord(this.#key, record, this.#grant);
  }
}
