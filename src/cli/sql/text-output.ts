/** Writes text to a stream and waits until it is taken: nothing is lost at exit, nothing piles up in memory. */

import type { Writable } from "node:stream";

export class TextOutput {
  readonly #stream: Writable;
  #closed = false;

  constructor(stream: Writable) {
    this.#stream = stream;
    // The reader may go away at any time (`mycelium sql ... | head`).
    stream.on("error", () => {
      this.#closed = true;
    });
  }

  /** The other end is gone: there is nobody left to write to. */
  get isClosed(): boolean {
    return this.#closed;
  }

  write(text: string): Promise<void> {
    if (text === "" || this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#stream.write(text, (error) => {
        if (error) this.#closed = true;
        resolve();
      });
    });
  }
}
