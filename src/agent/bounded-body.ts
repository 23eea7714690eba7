/** A request's body from whoever can reach the port: refused as soon as it is too large, before more of it is read. */

import { concatBytes, MyceliumError } from "../base/index.ts";

/** Throws TOO_LARGE, and MALFORMED when the client breaks off. */
export async function boundedBody(request: Request, sizeBytesMax: number): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length")) > sizeBytesMax) throw tooLarge(sizeBytesMax);
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const piece of request.body ?? []) {
      sizeBytes += piece.length;
      if (sizeBytes > sizeBytesMax) throw tooLarge(sizeBytesMax);
      pieces.push(piece);
    }
  } catch (error) {
    if (error instanceof MyceliumError) throw error;
    throw new MyceliumError("MALFORMED", "Cannot read the request: it broke off", { cause: error });
  }
  return concatBytes(...pieces);
}

function tooLarge(sizeBytesMax: number): MyceliumError {
  return new MyceliumError(
    "TOO_LARGE",
    `Cannot read the request: needed at most ${sizeBytesMax} bytes`,
  );
}
