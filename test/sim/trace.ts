/**
 * What happened, as lines of text: the newest are kept for a failure's report, and all go into one running hash, so
 * that two runs of a seed can be compared to the byte.
 */

import { createHash, type Hash } from "node:crypto";

const KEPT_COUNT = 400;

export class Trace {
  readonly #hash: Hash = createHash("sha256");
  readonly #print: ((line: string) => void) | null;
  readonly #now: () => number;
  #lines: string[] = [];
  #count = 0;

  constructor(now: () => number, print: ((line: string) => void) | null) {
    this.#now = now;
    this.#print = print;
  }

  add(who: string, what: string): void {
    const line = `${this.#now().toFixed(3).padStart(10)} ${who.padEnd(4)} ${what}`;
    this.#hash.update(line);
    this.#count++;
    this.#print?.(line);
    this.#lines.push(line);
    if (this.#lines.length > KEPT_COUNT * 2) this.#lines = this.#lines.slice(-KEPT_COUNT);
  }

  get count(): number {
    return this.#count;
  }

  last(count: number): readonly string[] {
    return this.#lines.slice(-count);
  }

  /** Ends the hash: call once. */
  digest(): string {
    return this.#hash.digest("hex");
  }
}
