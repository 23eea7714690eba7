/** Randomness as a value that is passed in, so that a seed replays a run. Never for secrets. */

export interface Random {
  /** Uniform in [0, 2^32). */
  u32(): number;
  /** Uniform in [0, 1). */
  float(): number;
  /** Uniform integer in [0, bound); bound is 1 to 2^32. */
  below(bound: number): number;
  /** A generator of its own whose numbers do not depend on how often this one is used later. */
  fork(): Random;
}

/** xoshiro128** 1.1 (Blackman and Vigna), seeded through SplitMix32. */
export class SeededRandom implements Random {
  readonly #state: Uint32Array;

  constructor(seed: number) {
    let mix = seed >>> 0;
    this.#state = new Uint32Array(4).map(() => {
      mix = (mix + 0x9e3779b9) >>> 0;
      let word = mix;
      word = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
      word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
      return (word ^ (word >>> 15)) >>> 0;
    });
  }

  u32(): number {
    const s = this.#state as unknown as [number, number, number, number];
    const product = Math.imul(s[1], 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  }

  float(): number {
    return this.u32() / 0x1_0000_0000;
  }

  below(bound: number): number {
    return Math.floor(this.float() * bound);
  }

  fork(): Random {
    return new SeededRandom(this.u32());
  }
}
