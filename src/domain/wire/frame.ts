/**
 * Frames of a link: u32 size of what follows, u8 kind, u8 length of the name, u32 id, the name in ASCII, the body.
 * The name is a message's channel or a request's method; the id joins a reply to its request. Kinds a node does not
 * know are ignored, so that newer peers may add some. Integers are big-endian.
 */

import { assert, MyceliumError } from "../../base/index.ts";

/** Kinds are numbers on the wire: never change one, only add. */
export const FRAME_KIND = {
  proof: 1,
  hello: 2,
  welcome: 3,
  refusal: 4,
  ping: 5,
  pong: 6,
  message: 7,
  request: 8,
  reply: 9,
  failure: 10,
  goodbye: 11,
} as const;

export interface Frame {
  /** One of FRAME_KIND, or a number this version does not know. */
  readonly kind: number;
  /** 0 to 2^32 - 1. */
  readonly id: number;
  /** ASCII, at most FRAME_NAME_LENGTH_MAX characters. */
  readonly name: string;
  readonly body: Uint8Array;
}

export const FRAME_NAME_LENGTH_MAX = 64;
/** Size, kind, name length and id. */
export const FRAME_HEAD_SIZE_BYTES = 10;
/** What the size counts besides name and body. */
const COUNTED_HEAD_SIZE_BYTES = FRAME_HEAD_SIZE_BYTES - 4;

/** Bytes of the frame on the wire. */
export function frameSizeBytes(frame: Frame): number {
  return FRAME_HEAD_SIZE_BYTES + frame.name.length + frame.body.length;
}

/** Writes head and name (not the body) at `offset`; returns the offset behind them. The caller has made room. */
export function writeFrameHead(frame: Frame, target: Uint8Array, offset: number): number {
  const nameLength = frame.name.length;
  assert(nameLength <= FRAME_NAME_LENGTH_MAX, `a frame's name has ${nameLength} characters`);
  writeU32(target, offset, COUNTED_HEAD_SIZE_BYTES + nameLength + frame.body.length);
  target[offset + 4] = frame.kind;
  target[offset + 5] = nameLength;
  writeU32(target, offset + 6, frame.id);
  const nameStart = offset + FRAME_HEAD_SIZE_BYTES;
  for (let i = 0; i < nameLength; i++) target[nameStart + i] = frame.name.charCodeAt(i);
  return nameStart + nameLength;
}

/** The whole frame as bytes of its own. */
export function encodeFrame(frame: Frame): Uint8Array {
  const encoded = new Uint8Array(frameSizeBytes(frame));
  encoded.set(frame.body, writeFrameHead(frame, encoded, 0));
  return encoded;
}

/**
 * The frame in `counted`, which is what the size counts. The body shares memory with it. Throws MALFORMED when the
 * name runs over the end, is too long or is not ASCII.
 */
export function parseFrame(counted: Uint8Array): Frame {
  const nameLength = counted[1] ?? 0;
  const bodyStart = COUNTED_HEAD_SIZE_BYTES + nameLength;
  if (counted.length < bodyStart || nameLength > FRAME_NAME_LENGTH_MAX) {
    throw new MyceliumError(
      "MALFORMED",
      `Cannot read a frame: found ${counted.length} bytes and a name of ${nameLength}, needed at least ` +
        `${bodyStart} bytes and a name of at most ${FRAME_NAME_LENGTH_MAX}`,
    );
  }
  return {
    kind: counted[0] ?? 0,
    id: readU32(counted, 2),
    name: readName(counted, nameLength),
    body: counted.subarray(bodyStart),
  };
}

/** Sizes of `counted` a frame can have, given the limit of its body. */
export function countedSizeMax(bodySizeMax: number): number {
  return COUNTED_HEAD_SIZE_BYTES + FRAME_NAME_LENGTH_MAX + bodySizeMax;
}

function readName(counted: Uint8Array, length: number): string {
  let name = "";
  for (let i = 0; i < length; i++) {
    const code = counted[COUNTED_HEAD_SIZE_BYTES + i] ?? 0;
    if (code > 0x7e || code < 0x21) {
      throw new MyceliumError(
        "MALFORMED",
        `Cannot read a frame: its name holds byte ${code}, needed visible ASCII`,
      );
    }
    name += String.fromCharCode(code);
  }
  return name;
}

export function readU32(source: Uint8Array, offset: number): number {
  return (
    (((source[offset] ?? 0) << 24) |
      ((source[offset + 1] ?? 0) << 16) |
      ((source[offset + 2] ?? 0) << 8) |
      (source[offset + 3] ?? 0)) >>>
    0
  );
}

export function writeU32(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >>> 24;
  target[offset + 1] = (value >>> 16) & 0xff;
  target[offset + 2] = (value >>> 8) & 0xff;
  target[offset + 3] = value & 0xff;
}
