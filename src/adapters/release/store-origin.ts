/** The network's own store as an origin: what one member verified and kept there, others verify again. */

import { messageOf } from "../../base/index.ts";
import { type OpenFile, type Origin, tooLarge, unreachable } from "./origin.ts";

export class StoreOrigin implements Origin {
  readonly name = "the network's own store";
  readonly mayLag = true;
  readonly #readFile: (path: string) => Promise<Uint8Array | null>;

  /** `readFile` yields what `ReleaseSource.files` named, null where there is none. */
  constructor(readFile: (path: string) => Promise<Uint8Array | null>) {
    this.#readFile = readFile;
  }

  async read(path: string, sizeBytesMax: number): Promise<Uint8Array | null> {
    const content = await this.#readFile(path).catch((error: unknown) => {
      throw unreachable(this.name, path, new Error(messageOf(error), { cause: error }));
    });
    if (content !== null && content.length > sizeBytesMax) {
      throw tooLarge(this.name, path, sizeBytesMax);
    }
    return content;
  }

  /** It holds small files only: what is large comes from peers in chunks. */
  async open(): Promise<OpenFile | null> {
    return null;
  }
}
