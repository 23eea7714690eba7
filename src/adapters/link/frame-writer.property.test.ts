import { expect, test } from "bun:test";
import fc from "fast-check";
import { concatBytes } from "../../base/index.ts";
import { encodeFrame, type Frame } from "../../domain/wire/index.ts";
import { FrameWriter } from "./frame-writer.ts";
import { SendQueue } from "./send-queue.ts";

const frames = fc.array(
  fc.record({
    kind: fc.integer({ min: 1, max: 20 }),
    id: fc.nat(),
    name: fc.stringMatching(/^[a-z]{0,9}$/),
    // Around the sizes where a body is copied, and where the staging buffer is full.
    size: fc.oneof(fc.nat(50), fc.integer({ min: 16_300, max: 16_500 }), fc.nat(90_000)),
  }),
  { maxLength: 30 },
);

/** What a socket takes of each write, over and over; never nothing for ever. */
const socketTakes = fc.array(fc.nat(70_000), { maxLength: 20 }).map((takes) => [...takes, 40_000]);

test("FrameWriter writes every frame whole and in order, however little the socket takes", () => {
  fc.assert(
    fc.property(frames, socketTakes, (specs, takes) => {
      const sent: Frame[] = specs.map(({ size, ...rest }, i) => ({
        ...rest,
        body: new Uint8Array(size).fill(i + 1),
      }));
      const taken: Uint8Array[] = [];
      let turn = 0;
      const sink = {
        write: (bytes: Uint8Array) => {
          const count = Math.min(bytes.length, takes[turn++ % takes.length] ?? 0);
          taken.push(bytes.slice(0, count));
          return count;
        },
      };
      const queue = new SendQueue({ countMax: 100, sizeBytesMax: 10_000_000 });
      const writer = new FrameWriter(queue, sink);
      for (const frame of sent) queue.push(frame, 1);
      do writer.flush();
      while (writer.blocked);
      expect(Buffer.compare(concatBytes(...taken), concatBytes(...sent.map(encodeFrame)))).toBe(0);
      expect(writer.sentFrames).toBe(sent.length);
    }),
    { numRuns: 60 },
  );
});

test("SendQueue refuses what passes a limit, per priority, and yields the urgent and the high first", () => {
  const queue = new SendQueue({ countMax: 2, sizeBytesMax: 1_000 });
  const frame = (name: string) => ({ kind: 7, id: 0, name, body: new Uint8Array(10) });
  expect([queue.push(frame("c"), 2), queue.push(frame("d"), 2), queue.push(frame("e"), 2)]).toEqual(
    [true, true, false],
  );
  expect(queue.push(frame("b"), 1)).toBe(true);
  expect(queue.push(frame("a"), 0)).toBe(true);
  queue.pushUrgent(frame("u"));
  const order: string[] = [];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) order.push(next.name);
  expect(order.join("")).toBe("uabcd");
});
