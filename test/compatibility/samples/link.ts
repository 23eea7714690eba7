/** What crosses a link between two nodes, below and beside the store. */

import { asReplicaId, MyceliumError, replicaOfNode } from "../../../src/base/index.ts";
import {
  decodeConfiguration,
  encodeConfiguration,
  type Message,
} from "../../../src/domain/raft/index.ts";
import {
  decodeError,
  decodeHello,
  encodeError,
  encodeFrame,
  encodeHello,
  FRAME_KIND,
  type Frame,
  FrameDecoder,
  makeIsolationProof,
  ProofChecker,
} from "../../../src/domain/wire/index.ts";
import { FrameWriter, readFrame } from "../../../src/runtime/consensus/frame.ts";
import { decodePromises, encodePromises } from "../../../src/runtime/consensus/promises.ts";
import type { Sample } from "../sample.ts";
import {
  configuration,
  filled,
  index,
  leader,
  MAIN,
  NOW_MS,
  SYSTEM,
  second,
  term,
} from "./world.ts";

const HELLO = {
  instance: "instance-1",
  protocolVersion: "1.0.0",
  minProtocolVersion: "1.0.0",
  features: ["replication", "consensus"],
  grant: filled(40, 3),
  wallMs: NOW_MS,
  addresses: ["10.0.0.1:9090", "[fd00::1]:9090"],
  release: "0.1.0",
};
const ISOLATION_KEY = filled(32, 9);
const CONTEXT = { from: leader.nodeId, to: second.nodeId, binding: filled(32, 4) };

const HEAD = { from: asReplicaId(leader.nodeId), to: asReplicaId(second.nodeId), term: term(5) };
const REVIVED = { ...HEAD, from: asReplicaId(`${leader.nodeId}#2`) };

/** One of each kind, and of each form a kind has. */
const MESSAGES: readonly Message[] = [
  {
    kind: "voteRequest",
    ...HEAD,
    preVote: true,
    transfer: false,
    lastIndex: index(9),
    lastTerm: term(4),
  },
  { kind: "voteResponse", ...REVIVED, preVote: false, granted: true },
  {
    kind: "append",
    ...HEAD,
    prevIndex: index(9),
    prevTerm: term(4),
    commit: index(8),
    entries: [
      { index: index(10), term: term(4), kind: "noop", payload: new Uint8Array() },
      { index: index(11), term: term(5), kind: "configuration", payload: configuration },
      { index: index(12), term: term(5), kind: "command", payload: filled(6, 1) },
    ],
  },
  accepted(12),
  {
    kind: "appendResponse",
    ...HEAD,
    index: index(9),
    rejected: true,
    hintIndex: index(7),
    hintTerm: term(3),
    damaged: true,
  },
  { kind: "heartbeat", ...HEAD, commit: index(8), round: 3, wantsReply: true },
  { kind: "heartbeatResponse", ...HEAD, round: 3 },
  {
    kind: "snapshotOffer",
    ...HEAD,
    snapshot: { index: index(8), term: term(4), configuration },
  },
  { kind: "timeoutNow", ...HEAD },
  { kind: "readRequest", ...HEAD, context: 17 },
  { kind: "readResponse", ...HEAD, context: 17, index: index(2 ** 33) },
];

function accepted(at: number): Message {
  const hints = { hintIndex: index(0), hintTerm: term(0), damaged: false };
  return { kind: "appendResponse", ...HEAD, index: index(at), rejected: false, ...hints };
}

function raftFrame(): Uint8Array {
  const writer = new FrameWriter();
  for (const message of MESSAGES) writer.add(MAIN, message);
  writer.add(SYSTEM, accepted(1));
  const [frame, ...more] = writer.takeFrames();
  if (frame === undefined || more.length > 0) throw new Error("these messages fit one frame");
  return frame;
}

function framesIn(bytes: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  new FrameDecoder(1 << 20).push(bytes, (frame) => frames.push(frame) > 0);
  return frames;
}

export const linkSamples: readonly Sample[] = [
  {
    name: "link frames of every kind",
    form: "other",
    writers: ["domain/wire/frame.ts encodeFrame"],
    write: () =>
      Buffer.concat(
        Object.values(FRAME_KIND).map((kind) =>
          encodeFrame({
            kind,
            id: 2 ** 31 + kind,
            name: "store/main/submit",
            body: filled(3, kind),
          }),
        ),
      ),
    read: framesIn,
  },
  {
    name: "hello",
    form: "cbor",
    writers: ["domain/wire/hello.ts encodeHello"],
    write: () => encodeHello(HELLO),
    read: decodeHello,
  },
  {
    name: "isolation proof",
    form: "other",
    writers: ["domain/wire/isolation-proof.ts makeIsolationProof"],
    write: () => makeIsolationProof(ISOLATION_KEY, CONTEXT, filled(16, 5), NOW_MS),
    read: (bytes) => new ProofChecker().accept([ISOLATION_KEY], CONTEXT, bytes, NOW_MS),
  },
  {
    name: "error",
    form: "cbor",
    writers: ["domain/wire/error-codec.ts encodeError"],
    write: () =>
      encodeError(
        new MyceliumError("NOT_LEADER", "Cannot write: another node leads", {
          details: { leader: second.nodeId, term: 5, known: true, hint: null },
        }),
      ),
    read: decodeError,
  },
  {
    name: "raft configuration",
    form: "cbor",
    writers: ["domain/raft/configuration.ts encodeConfiguration"],
    write: () => encodeConfiguration(decodeConfiguration(configuration)),
    read: decodeConfiguration,
  },
  {
    name: "raft messages",
    form: "other",
    writers: ["domain/raft/message-codec.ts packMessage", "runtime/consensus/frame.ts FrameWriter"],
    write: raftFrame,
    read: (bytes) => readFrame(bytes, leader.nodeId, second.nodeId),
  },
  {
    name: "promises of replicas",
    form: "cbor",
    writers: ["runtime/consensus/promises.ts encodePromises"],
    write: () =>
      encodePromises([
        {
          group: MAIN,
          replica: replicaOfNode(second.nodeId, 2),
          term: term(9),
          votedFor: leader.nodeId,
          index: index(812),
        },
        {
          group: SYSTEM,
          replica: replicaOfNode(second.nodeId, 0),
          term: term(2 ** 33),
          votedFor: null,
          index: index(0),
        },
      ]),
    read: decodePromises,
  },
];
