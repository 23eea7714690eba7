/**
 * Frames of the channel "raft": all that one node has to say to another in one turn, of all groups. So a heartbeat of
 * a hundred groups is one frame. CBOR: [version, [[group, message], ...]].
 */

import { asGroupId, type GroupId, MyceliumError, type NodeId } from "../../base/index.ts";
import {
  type Message,
  messageSizeBytes,
  packMessage,
  unpackMessage,
} from "../../domain/raft/index.ts";
import {
  type CborValue,
  decodeCbor,
  encodeCbor,
  malformed,
  text,
} from "../../domain/wire/index.ts";

const FRAME_VERSION = 1;
const MESSAGES_PER_FRAME_MAX = 4_096;
/** A frame is closed once it has this much; one message goes whole. */
const FRAME_BYTES_TARGET = 1_048_576;
const FRAME_BYTES_MAX = 32 * 1_048_576;
const GROUP_ID_LENGTH_MAX = 64;
const groupText = text(GROUP_ID_LENGTH_MAX);

export interface GroupMessage {
  readonly group: GroupId;
  readonly message: Message;
}

/** Gathers messages for one node and gives out frames. */
export class FrameWriter {
  #items: CborValue[] = [];
  #sizeBytes = 0;
  readonly #frames: Uint8Array[] = [];

  add(group: GroupId, message: Message): void {
    this.#items.push([group as string, packMessage(message)]);
    this.#sizeBytes += messageSizeBytes(message);
    const isFull =
      this.#sizeBytes >= FRAME_BYTES_TARGET || this.#items.length >= MESSAGES_PER_FRAME_MAX;
    if (isFull) this.#close();
  }

  takeFrames(): readonly Uint8Array[] {
    if (this.#items.length > 0) this.#close();
    return this.#frames.splice(0);
  }

  #close(): void {
    this.#frames.push(encodeCbor([FRAME_VERSION, this.#items]));
    this.#items = [];
    this.#sizeBytes = 0;
  }
}

/** Throws MALFORMED, TOO_LARGE, VERSION_UNSUPPORTED. */
export function readFrame(frame: Uint8Array, from: NodeId, to: NodeId): readonly GroupMessage[] {
  if (frame.length > FRAME_BYTES_MAX) {
    throw new MyceliumError("TOO_LARGE", `Cannot read a raft frame of ${frame.length} bytes`);
  }
  const value = decodeCbor(frame);
  if (!Array.isArray(value)) throw malformed("raft frame", "a list", value);
  if (value[0] !== FRAME_VERSION) {
    throw new MyceliumError(
      "VERSION_UNSUPPORTED",
      `Cannot read a raft frame: needed version ${FRAME_VERSION}`,
    );
  }
  const items: unknown = value[1];
  if (!Array.isArray(items) || items.length > MESSAGES_PER_FRAME_MAX) {
    throw malformed("raft frame", `at most ${MESSAGES_PER_FRAME_MAX} messages`, items);
  }
  return items.map((item: unknown) => {
    if (!Array.isArray(item)) throw malformed("raft frame item", "a list", item);
    const group = asGroupId(groupText(item[0], "raft group"));
    return { group, message: unpackMessage(item[1], from, to) };
  });
}

/** Whether an error is a peer's fault; any other means that this node's own log cannot be read. */
export function isRefusal(error: MyceliumError): boolean {
  return (
    error.code === "MALFORMED" || error.code === "TOO_LARGE" || error.code === "VERSION_UNSUPPORTED"
  );
}
