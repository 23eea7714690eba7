/** Reads request bodies into JSON, refusing what is too large before memory is taken for it. */

import { concatBytes, formatSizeBytes, messageOf } from "../../base/index.ts";
import { HttpRefusal } from "./refusal.ts";

export class BodyReader {
  readonly #bodyBytesMax: number;
  readonly #bodiesBytesMax: number;
  /** Of all bodies that are being read or served. */
  #bytesHeld = 0;

  constructor(limits: { readonly bodyBytesMax: number; readonly bodiesBytesMax: number }) {
    this.#bodyBytesMax = limits.bodyBytesMax;
    this.#bodiesBytesMax = limits.bodiesBytesMax;
  }

  /**
   * Runs `serve` on the body as parsed JSON; its bytes count as held until that ends. Throws HttpRefusal: 413, 429
   * when all bodies together are too large, 400 when it is no JSON.
   */
  async serve<T>(request: Request, serve: (json: unknown) => Promise<T>): Promise<T> {
    const lease = { bytes: 0 };
    try {
      return await serve(await this.#read(request, lease));
    } finally {
      this.#bytesHeld -= lease.bytes;
    }
  }

  async #read(request: Request, lease: { bytes: number }): Promise<unknown> {
    try {
      const declared = request.headers.get("content-length");
      if (declared === null) return JSON.parse(await this.#readPieces(request, lease));
      this.#hold(lease, Number(declared));
      return await request.json();
    } catch (error) {
      throw error instanceof HttpRefusal ? error : unreadable(error);
    }
  }

  async #readPieces(request: Request, lease: { bytes: number }): Promise<string> {
    const pieces: Uint8Array[] = [];
    for await (const piece of request.body ?? []) {
      this.#hold(lease, piece.length);
      pieces.push(piece);
    }
    return new TextDecoder().decode(concatBytes(...pieces));
  }

  #hold(lease: { bytes: number }, bytes: number): void {
    if (!(lease.bytes + bytes <= this.#bodyBytesMax)) {
      const limit = formatSizeBytes(this.#bodyBytesMax);
      throw new HttpRefusal(
        413,
        "BODY_TOO_LARGE",
        `Cannot read the request: its body is over ${limit}; send less at once`,
      );
    }
    if (this.#bytesHeld + bytes > this.#bodiesBytesMax) {
      const limit = formatSizeBytes(this.#bodiesBytesMax);
      throw new HttpRefusal(
        429,
        "OVERLOADED",
        `Cannot read the request: bodies of ${limit} are being served already; try again later`,
      );
    }
    lease.bytes += bytes;
    this.#bytesHeld += bytes;
  }
}

/** Whatever a client does with its body is no bug of ours: no JSON, or a connection that it dropped. */
function unreadable(error: unknown): HttpRefusal {
  const found = error instanceof SyntaxError ? "its body is not JSON" : messageOf(error);
  return new HttpRefusal(400, "BODY_INVALID", `Cannot read the request: ${found}`);
}
