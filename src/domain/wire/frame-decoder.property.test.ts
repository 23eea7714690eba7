import { expect, test } from "bun:test";
import fc from "fast-check";
import { concatBytes, errorCodeOf } from "../../base/index.ts";
import { encodeFrame, type Frame } from "./frame.ts";
import { FrameDecoder } from "./frame-decoder.ts";

const BODY_SIZE_MAX = 5_000;

const frames = fc.array(
  fc.record({
    kind: fc.integer({ min: 0, max: 255 }),
    id: fc.integer({ min: 0, max: 0xffff_ffff }),
    name: fc.stringMatching(/^[a-z.]{0,64}$/),
    body: fc.uint8Array({ maxLength: BODY_SIZE_MAX }),
  }),
  { maxLength: 8 },
);

function cut(stream: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let offset = 0;
  for (let i = 0; offset < stream.length; i++) {
    const size = sizes[i % sizes.length]!;
    chunks.push(stream.slice(offset, offset + size));
    offset += size;
  }
  return chunks;
}

function plain({ kind, id, name, body }: Frame) {
  return { kind, id, name, body: Buffer.from(body).toString("hex") };
}

test("FrameDecoder yields the frames that were encoded, however the stream is cut", () => {
  fc.assert(
    fc.property(
      frames,
      fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 6 }),
      (sent, sizes) => {
        const decoder = new FrameDecoder(BODY_SIZE_MAX);
        const received: Frame[] = [];
        for (const chunk of cut(concatBytes(...sent.map(encodeFrame)), sizes)) {
          decoder.push(chunk, (frame) => received.push(frame) > 0);
        }
        expect(received.map(plain)).toEqual(sent.map(plain));
        expect(decoder.heldBytes).toBe(0);
      },
    ),
  );
});

test("FrameDecoder answers arbitrary bytes with frames, TOO_LARGE or MALFORMED, and never holds more than came", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 }), (chunks) => {
      const decoder = new FrameDecoder(BODY_SIZE_MAX);
      let came = 0;
      try {
        for (const chunk of chunks) {
          came += chunk.length;
          decoder.push(chunk, () => true);
          expect(decoder.heldBytes).toBeLessThanOrEqual(came);
        }
      } catch (error) {
        expect(["TOO_LARGE", "MALFORMED"]).toContain(errorCodeOf(error)!);
      }
    }),
    { numRuns: 500 },
  );
});
