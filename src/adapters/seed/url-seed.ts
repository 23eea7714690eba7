/** The seed spore behind an HTTPS URL: read only. Its content proves itself, so any web space will do. */

import { MyceliumError } from "../../base/index.ts";
import type { SeedStorage } from "../../ports/index.ts";
import { tooLarge, unreachable } from "./file-seed.ts";

export interface UrlSeedOptions {
  /** "https://...". */
  readonly url: string;
  readonly sizeBytesMax: number;
  readonly timeoutMs: number;
  /** For tests; the global one by default. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

export class UrlSeed implements SeedStorage {
  readonly name: string;
  readonly writable = false;
  readonly #options: UrlSeedOptions;

  /** Throws BAD_CONFIG unless the URL is an https one. */
  constructor(options: UrlSeedOptions) {
    if (!URL.canParse(options.url) || !options.url.startsWith("https://")) {
      throw new MyceliumError(
        "BAD_CONFIG",
        `Cannot use the seed ${options.url}: it needs to be an https:// URL; check the setting SEEDS`,
      );
    }
    this.name = options.url;
    this.#options = options;
  }

  /** Null on 404 and 410. The timeout covers all of it, body included. */
  async read(): Promise<Uint8Array | null> {
    const { url, timeoutMs, fetch: fetchUrl = fetch } = this.#options;
    try {
      const response = await fetchUrl(url, { signal: AbortSignal.timeout(timeoutMs) });
      if (response.status === 404 || response.status === 410) return null;
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      return await this.#readBody(response);
    } catch (error) {
      throw unreachable("read", this.name, error);
    }
  }

  write(): Promise<void> {
    const message = `Cannot write the seed ${this.name}: a URL can only be read`;
    return Promise.reject(new MyceliumError("READ_ONLY", message));
  }

  async #readBody(response: Response): Promise<Uint8Array> {
    const { sizeBytesMax } = this.#options;
    const parts: Uint8Array[] = [];
    let sizeBytes = 0;
    for await (const part of response.body ?? []) {
      sizeBytes += part.length;
      if (sizeBytes > sizeBytesMax) throw tooLarge(this.name, sizeBytesMax);
      parts.push(part);
    }
    return new Uint8Array(Buffer.concat(parts));
  }
}
