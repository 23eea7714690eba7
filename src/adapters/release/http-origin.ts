/**
 * A release directory on a web server. Redirects are counted and never leave TLS, an answer is bounded in size and in
 * time (as a whole, and between two pieces), proxies are those of the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY:
 * the runtime's fetch honours them). Source: RFC 9110, 14 (ranges).
 */

import {
  type ByteRange,
  collect,
  type OpenFile,
  type Origin,
  tooLarge,
  unreachable,
} from "./origin.ts";

const REDIRECTS_MAX = 5;

export interface HttpLimits {
  /** Without a byte, headers included. */
  readonly stallMs: number;
  /** For all of an answer, besides what its size takes at `bytesPerSecondMin`. */
  readonly graceMs: number;
  readonly bytesPerSecondMin: number;
}

export const HTTP_LIMITS: HttpLimits = {
  stallMs: 30_000,
  graceMs: 60_000,
  bytesPerSecondMin: 8_192,
};

export class HttpOrigin implements Origin {
  readonly name: string;
  readonly mayLag = false;
  readonly #base: URL;
  readonly #limits: HttpLimits;

  /** `url` is that of the directory, with or without a slash at its end. */
  constructor(url: string, limits: HttpLimits = HTTP_LIMITS) {
    this.#base = new URL(url.endsWith("/") ? url : `${url}/`);
    this.#limits = limits;
    // A password in the URL is not for logs.
    this.name = `${this.#base.origin}${this.#base.pathname}`;
  }

  async read(path: string, sizeBytesMax: number): Promise<Uint8Array | null> {
    const refuse = () => tooLarge(this.name, path, sizeBytesMax);
    const answer = await this.#get(path, { offset: 0, sizeBytes: sizeBytesMax }, false);
    if (answer === null) return null;
    return collect(this.#pieces(path, answer, Number.POSITIVE_INFINITY), sizeBytesMax, refuse);
  }

  async open(path: string, range: ByteRange): Promise<OpenFile | null> {
    const answer = await this.#get(path, range, true);
    if (answer === null) return null;
    const isPart = answer.response.status === 206;
    const sizeBytes = isPart ? range.sizeBytes : range.offset + range.sizeBytes;
    return {
      offset: isPart ? range.offset : 0,
      pieces: this.#pieces(path, answer, sizeBytes),
    };
  }

  async #get(path: string, range: ByteRange, isRange: boolean): Promise<Answer | null> {
    const url = new URL(path, this.#base);
    if (!url.href.startsWith(this.#base.href)) return null;
    const sizeBytes = range.offset + range.sizeBytes;
    const abort = new AbortController();
    const watch = new Watch(abort, this.#limits, sizeBytes);
    const headers: Record<string, string> = { "Accept-Encoding": "identity" };
    if (isRange) headers["Range"] = `bytes=${range.offset}-${sizeBytes - 1}`;
    try {
      const response = await this.#follow(url, { headers, signal: abort.signal });
      const { status } = response;
      if (status === 200 || (isRange && status === 206 && startsAt(response, range.offset))) {
        return { response, abort, watch };
      }
      watch.stop();
      abort.abort();
      // A store that does not say what it has answers 403 for what it has not.
      if (status === 404 || status === 403 || status === 410) return null;
      throw new Error(`the server answered ${status}`);
    } catch (error) {
      watch.stop();
      throw unreachable(this.name, path, error);
    }
  }

  async #follow(first: URL, init: RequestInit): Promise<Response> {
    let url = first;
    for (let count = 0; count <= REDIRECTS_MAX; count++) {
      // What a server compressed in spite of the header fails its hash instead of swelling here.
      const response = await fetch(url, { ...init, redirect: "manual", decompress: false });
      const location = response.headers.get("location");
      if (response.status < 300 || response.status > 399 || location === null) return response;
      await response.body?.cancel();
      const next = new URL(location, url);
      const isSafe =
        next.protocol === "https:" || (next.protocol === "http:" && url.protocol === "http:");
      if (!isSafe)
        throw new Error(`the server sends on to ${next.protocol}, needed ${url.protocol}`);
      url = next;
    }
    throw new Error(`the server sends on more than ${REDIRECTS_MAX} times`);
  }

  async *#pieces(
    path: string,
    { response, abort, watch }: Answer,
    sizeBytesMax: number,
  ): AsyncGenerator<Uint8Array> {
    let rest = sizeBytesMax;
    try {
      for await (const piece of response.body ?? []) {
        watch.pieceCame();
        yield piece.length > rest ? piece.subarray(0, rest) : piece;
        rest -= piece.length;
        if (rest <= 0) return;
      }
    } catch (error) {
      throw unreachable(this.name, path, error);
    } finally {
      watch.stop();
      abort.abort();
    }
  }
}

interface Answer {
  readonly response: Response;
  readonly abort: AbortController;
  readonly watch: Watch;
}

/** Gives an answer up that stalls or takes too long as a whole. */
class Watch {
  readonly #abort: AbortController;
  readonly #stallMs: number;
  readonly #whole: NodeJS.Timeout;
  #stall: NodeJS.Timeout;

  constructor(abort: AbortController, limits: HttpLimits, sizeBytes: number) {
    this.#abort = abort;
    this.#stallMs = limits.stallMs;
    const wholeMs = limits.graceMs + (sizeBytes / limits.bytesPerSecondMin) * 1_000;
    this.#whole = setTimeout(() => {
      abort.abort(new Error(`it is slower than ${limits.bytesPerSecondMin} bytes a second`));
    }, wholeMs);
    this.#stall = this.#startStall();
  }

  pieceCame(): void {
    clearTimeout(this.#stall);
    this.#stall = this.#startStall();
  }

  stop(): void {
    clearTimeout(this.#stall);
    clearTimeout(this.#whole);
  }

  #startStall(): NodeJS.Timeout {
    return setTimeout(() => {
      this.#abort.abort(new Error(`nothing came for ${this.#stallMs} ms`));
    }, this.#stallMs);
  }
}

function startsAt(response: Response, offset: number): boolean {
  return response.headers.get("content-range")?.startsWith(`bytes ${offset}-`) ?? false;
}
