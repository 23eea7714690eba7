/** A seed spore that every node of a simulation can reach, unless it is told not to. */

import { MyceliumError } from "../../base/index.ts";
import type { SeedStorage } from "../../ports/index.ts";

export class MemorySeedStorage implements SeedStorage {
  readonly name: string;
  readonly writable: boolean;
  isReachable = true;
  #content: Uint8Array | null = null;

  constructor(name = "memory:seed", writable = true) {
    this.name = name;
    this.writable = writable;
  }

  async read(): Promise<Uint8Array | null> {
    this.#check("read");
    return this.#content?.slice() ?? null;
  }

  async write(content: Uint8Array): Promise<void> {
    this.#check("write");
    this.#content = content.slice();
  }

  #check(action: string): void {
    if (this.isReachable) return;
    throw new MyceliumError("UNREACHABLE", `Cannot ${action} the seed: ${this.name} is away`);
  }
}
