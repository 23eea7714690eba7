/** A response's body as text, refused before more than the limit is held. */

import { MyceliumError } from "../base/index.ts";

/** Throws TOO_LARGE. `what` names the answer in the message. */
export async function readBounded(
  response: Response,
  sizeBytesMax: number,
  what: string,
): Promise<string> {
  if (response.body === null) return "";
  const decoder = new TextDecoder();
  let sizeBytes = 0;
  let text = "";
  for await (const chunk of response.body) {
    sizeBytes += chunk.length;
    if (sizeBytes > sizeBytesMax) {
      throw new MyceliumError(
        "TOO_LARGE",
        `Cannot read ${what}: found more than ${sizeBytesMax} bytes`,
      );
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
