/** Requests of a bundle as its bytes: they travel so between threads, and are decoded where they are executed. */

import type { Request } from "./batch.ts";
import { decodeBundle } from "./bundle-codec.ts";

export interface BundlePart {
  /** A whole bundle. */
  readonly payload: Uint8Array;
  /** Which of its requests, ascending; null for all. */
  readonly positions: readonly number[] | null;
}

/** The requests of all parts, in order. Throws MALFORMED or TOO_LARGE. */
export function requestsOfParts(parts: readonly BundlePart[]): Request[] {
  const requests: Request[] = [];
  for (const { payload, positions } of parts) {
    const all = decodeBundle(payload).requests;
    for (const position of positions ?? all.keys()) {
      const request = all[position];
      if (request === undefined) throw new RangeError("a part stands outside its bundle");
      requests.push(request);
    }
  }
  return requests;
}
