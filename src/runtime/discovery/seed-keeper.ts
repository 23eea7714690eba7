/** The places of the seed spore: all are read in order, the highest valid proof wins; the leader writes them. */

import { errorCodeOf, messageOf } from "../../base/index.ts";
import {
  compareProofs,
  openSeedSpore,
  type ProofContext,
  type SeedSpore,
} from "../../domain/spore/index.ts";
import type { Clock, Logger, SeedStorage } from "../../ports/index.ts";

export interface SeedStatus {
  readonly name: string;
  readonly writable: boolean;
  /** Since the last good read or write; null when there was none. */
  readonly ageMs: number | null;
  readonly problem: string | null;
}

type MeetRecords = (records: readonly Uint8Array[], issuedAtMs: number) => void;

interface Standing {
  goodAtMs: number | null;
  problem: string | null;
}

export class SeedKeeper {
  readonly #places: readonly { readonly storage: SeedStorage; readonly standing: Standing }[];
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(storages: readonly SeedStorage[], clock: Clock, logger: Logger) {
    this.#places = storages.map((storage) => {
      return { storage, standing: { goodAtMs: null, problem: null } };
    });
    this.#clock = clock;
    this.#logger = logger;
  }

  /** The valid seeds found, the one to follow first. `meet` is given the records of each before it is judged. */
  async read(context: ProofContext, meet: MeetRecords): Promise<readonly SeedSpore[]> {
    const seeds: SeedSpore[] = [];
    for (const { storage, standing } of this.#places) {
      const seed = await this.#readOne(storage, standing, context, meet);
      if (seed !== null) seeds.push(seed);
    }
    return seeds.sort((a, b) => compareProofs(b.proof, a.proof));
  }

  /** Writes to all places that can be written. */
  async write(content: Uint8Array): Promise<void> {
    for (const { storage, standing } of this.#places) {
      if (!storage.writable) continue;
      await this.#note(storage, standing, () => storage.write(content));
    }
  }

  status(): readonly SeedStatus[] {
    const nowMs = this.#clock.monotonicMs();
    return this.#places.map(({ storage: { name, writable }, standing: { goodAtMs, problem } }) => {
      return {
        name,
        writable,
        ageMs: goodAtMs === null ? null : Math.round(nowMs - goodAtMs),
        problem,
      };
    });
  }

  async #readOne(
    storage: SeedStorage,
    standing: Standing,
    context: ProofContext,
    meet: MeetRecords,
  ): Promise<SeedSpore | null> {
    const content = await this.#note(storage, standing, () => storage.read());
    if (content === undefined || content === null) return null;
    const verdict = await this.#note(storage, standing, async () =>
      openSeedSpore(content, context, meet),
    );
    if (verdict === undefined) return null;
    if (verdict.ok) return verdict.seed;
    standing.problem = `Cannot use the seed: ${verdict.reason}`;
    this.#logger.warn("seed refused", { seed: storage.name, reason: verdict.reason });
    return null;
  }

  /** Runs one step with a place and notes how it went; undefined after an expected failure. */
  async #note<T>(
    storage: SeedStorage,
    standing: Standing,
    step: () => Promise<T>,
  ): Promise<T | undefined> {
    try {
      const result = await step();
      standing.goodAtMs = this.#clock.monotonicMs();
      standing.problem = null;
      return result;
    } catch (error) {
      if (errorCodeOf(error) === undefined) throw error;
      standing.problem = messageOf(error);
      this.#logger.warn("seed not usable", { seed: storage.name, reason: messageOf(error) });
      return undefined;
    }
  }
}
