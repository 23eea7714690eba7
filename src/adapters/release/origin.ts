/** One place that a release directory is read from. Nothing it gives is trusted. */

import { MyceliumError, messageOf } from "../../base/index.ts";

/** Part of a file: exactly `sizeBytes` from `offset`. */
export interface ByteRange {
  readonly offset: number;
  readonly sizeBytes: number;
}

export interface Origin {
  /** For people: a URL, a directory, "the network". */
  readonly name: string;
  /** Others write it from time to time, so it may honestly be older than what this node has seen. */
  readonly mayLag: boolean;

  /** A small file, by its path in the release directory, percent-encoded as in a URL; null when it has none. Throws UNREACHABLE, TOO_LARGE. */
  read(path: string, sizeBytesMax: number): Promise<Uint8Array | null>;

  /**
   * A file of any size, piece by piece, never more than the range asks for; from its start when the origin cannot
   * begin in the middle. Null when it has none. Throws UNREACHABLE, also between pieces.
   */
  open(path: string, range: ByteRange): Promise<OpenFile | null>;
}

export interface OpenFile {
  /** `range.offset`, or 0. */
  readonly offset: number;
  readonly pieces: AsyncIterable<Uint8Array>;
}

export function unreachable(origin: string, path: string, cause: unknown): MyceliumError {
  if (cause instanceof MyceliumError) return cause;
  return new MyceliumError(
    "UNREACHABLE",
    `Cannot fetch ${path} from ${origin}: ${messageOf(cause)}; check the network and the setting UPDATE_URL`,
    { cause, details: { origin, file: path } },
  );
}

export function tooLarge(origin: string, path: string, sizeBytesMax: number): MyceliumError {
  return new MyceliumError(
    "TOO_LARGE",
    `Cannot use ${path} from ${origin}: found more than ${sizeBytesMax} bytes, which is no release's; the origin is ` +
      "damaged or hostile: use another",
    { details: { origin, file: path } },
  );
}

/** All of a small file, refused before more than the limit is held. */
export async function collect(
  pieces: AsyncIterable<Uint8Array>,
  sizeBytesMax: number,
  refuse: () => Error,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const piece of pieces) {
    sizeBytes += piece.length;
    if (sizeBytes > sizeBytesMax) throw refuse();
    parts.push(piece);
  }
  return new Uint8Array(Buffer.concat(parts));
}
