/** The lines of a byte stream, bounded in length. */

import { MyceliumError } from "../../base/index.ts";

const LINE_LENGTH_MAX = 16 * 1_048_576;

/** Rejects with TOO_LARGE on a line that no gateway would take, MALFORMED on bytes that are not UTF-8. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array | string>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  for await (const chunk of chunks) {
    rest += typeof chunk === "string" ? chunk : decode(decoder, chunk);
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield line.endsWith("\r") ? line.slice(0, -1) : line;
    if (rest.length > LINE_LENGTH_MAX) {
      throw new MyceliumError(
        "TOO_LARGE",
        `Cannot read the script: a line is over ${LINE_LENGTH_MAX} characters; break it up`,
      );
    }
  }
  if (rest !== "") yield rest;
}

function decode(decoder: TextDecoder, chunk: Uint8Array): string {
  try {
    return decoder.decode(chunk, { stream: true });
  } catch (error) {
    throw new MyceliumError("MALFORMED", "Cannot read the script: it is not UTF-8", {
      cause: error,
    });
  }
}
