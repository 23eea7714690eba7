import { expect, test } from "bun:test";
import { concatBytes, errorCodeOf, utf8 } from "../../base/index.ts";
import { encodeFrame, FRAME_KIND, FRAME_NAME_LENGTH_MAX } from "./frame.ts";
import { FrameDecoder } from "./frame-decoder.ts";

function codeOf(action: () => void): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return errorCodeOf(error);
  }
}

test("push() refuses a size over the limit before it holds a byte of the body", () => {
  const decoder = new FrameDecoder(1_000);
  const head = Uint8Array.of(0x7f, 0xff, 0xff, 0xff);
  expect(codeOf(() => decoder.push(head, () => true))).toBe("TOO_LARGE");
  expect(decoder.heldBytes).toBe(0);
});

test("push() refuses a name that runs over the frame's end, and one that is not ASCII", () => {
  const overEnd = encodeFrame({ kind: FRAME_KIND.message, id: 0, name: "", body: utf8("abc") });
  overEnd[5] = FRAME_NAME_LENGTH_MAX;
  expect(codeOf(() => new FrameDecoder(10).push(overEnd, () => true))).toBe("MALFORMED");
  const notAscii = encodeFrame({ kind: FRAME_KIND.message, id: 0, name: "raft", body: utf8("") });
  notAscii[10] = 0xc3;
  expect(codeOf(() => new FrameDecoder(10).push(notAscii, () => true))).toBe("MALFORMED");
});

test("push() stops at the frame whose callback returns false", () => {
  const frame = encodeFrame({ kind: FRAME_KIND.ping, id: 1, name: "", body: utf8("x") });
  let count = 0;
  new FrameDecoder(100).push(concatBytes(frame, frame, frame), () => ++count < 2);
  expect(count).toBe(2);
});

test("setBodySizeMax() lets a peer that has proved itself send larger frames", () => {
  const large = encodeFrame({
    kind: FRAME_KIND.message,
    id: 0,
    name: "a",
    body: new Uint8Array(900),
  });
  const decoder = new FrameDecoder(100);
  expect(codeOf(() => decoder.push(large, () => true))).toBe("TOO_LARGE");
  decoder.setBodySizeMax(1_000);
  let size = 0;
  decoder.push(large, (frame) => {
    size = frame.body.length;
    return true;
  });
  expect(size).toBe(900);
});
