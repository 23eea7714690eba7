/**
 * Ids of writes, by which a shard applies each once. A client that sends `Mycelium-Request-Id` may repeat its whole
 * HTTP request safely: the same pipeline gets the same ids. Chosen and made ids cannot meet.
 */

import { createHmac } from "node:crypto";
import { asRequestId, type RequestId } from "../../base/index.ts";
import { HttpRefusal } from "./refusal.ts";

export const REQUEST_ID_HEADER = "mycelium-request-id";

/** With our prefix and suffix it stays within a request id's 64 letters. */
const CHOSEN_ID = /^[A-Za-z0-9._:-]{1,48}$/;

/** Gives one pipeline's writes their ids. */
export interface RequestIds {
  next(): RequestId;
}

export class RequestIdSource {
  readonly #prefix: string;
  #count = 0;

  constructor(secret: Uint8Array) {
    const mark = createHmac("sha256", secret).update("request ids").digest("base64url");
    this.#prefix = `g:${mark.slice(0, 22)}:`;
  }

  /** Throws HttpRefusal 400 when the client's id cannot be one. */
  forPipeline(header: string | null): RequestIds {
    if (header === null) {
      return { next: () => asRequestId(this.#prefix + (this.#count++).toString(36)) };
    }
    if (!CHOSEN_ID.test(header)) {
      throw new HttpRefusal(
        400,
        "REQUEST_ID_INVALID",
        "Cannot read the header Mycelium-Request-Id: needed 1 to 48 letters, digits or . _ : -",
      );
    }
    let ordinal = 0;
    return { next: () => asRequestId(`c:${header}:${(ordinal++).toString(36)}`) };
  }
}
