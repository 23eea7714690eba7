/** A response body of lines that are made as the client takes them. */

const CHUNK_LENGTH = 65_536;

export function streamOfLines(head: string, lines: Iterable<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const iterator = lines[Symbol.iterator]();
  let pending = head;
  return new ReadableStream({
    pull(controller) {
      let done = false;
      while (!done && pending.length < CHUNK_LENGTH) {
        const next = iterator.next();
        done = next.done === true;
        if (!next.done) pending += next.value;
      }
      if (pending !== "") controller.enqueue(encoder.encode(pending));
      pending = "";
      if (done) controller.close();
    },
  });
}
