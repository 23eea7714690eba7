import { expect, test } from "bun:test";
import fc from "fast-check";
import { asNodeId, asReplicaId, errorCodeOf, type LogIndex, type Term } from "../../base/index.ts";
import { type CborValue, decodeCbor, encodeCbor } from "../wire/index.ts";
import { encodeConfiguration, makeConfiguration } from "./configuration.ts";
import type { LogEntry } from "./entry.ts";
import type { Message } from "./message.ts";
import { packMessage, unpackMessage } from "./message-codec.ts";

const FROM = asNodeId("12D3KooWfrom");
const TO = asNodeId("12D3KooWto");
const SOME_CONFIGURATION = encodeConfiguration(
  makeConfiguration({
    voters: [{ replica: asReplicaId("x"), weight: 3 }],
    learners: [asReplicaId("y#2")],
  }),
);

const index = fc.nat(1_000_000) as fc.Arbitrary<number> as fc.Arbitrary<LogIndex>;
const term = fc.integer({ min: 50, max: 99 }) as fc.Arbitrary<number> as fc.Arbitrary<Term>;
const life = fc.constantFrom("", "#1", "#27");
const head = fc.record({
  from: life.map((suffix) => asReplicaId(FROM + suffix)),
  to: life.map((suffix) => asReplicaId(TO + suffix)),
  term,
});
const flag = fc.boolean();
const payload = fc.uint8Array({ maxLength: 40 });

const append = fc
  .record({
    head,
    prevIndex: index,
    commit: index,
    steps: fc.array(fc.record({ rise: fc.nat(2), isNoop: flag, payload }), { maxLength: 6 }),
  })
  .map(({ head: { from, to }, prevIndex, commit, steps }): Message => {
    let current = 10;
    const entries = steps.map((step, i): LogEntry => {
      current += step.rise;
      const at = (prevIndex + 1 + i) as LogIndex;
      const kind = step.isNoop ? "noop" : "command";
      return { index: at, term: current as Term, kind, payload: step.payload };
    });
    const prevTerm = 10 as Term;
    return { kind: "append", from, to, term: 99 as Term, prevIndex, prevTerm, commit, entries };
  });

function message<K extends Message["kind"]>(
  kind: K,
  fields: Record<string, fc.Arbitrary<unknown>>,
): fc.Arbitrary<Message> {
  return fc
    .tuple(head, fc.record(fields))
    .map(([envelope, rest]) => ({ kind, ...envelope, ...rest }) as unknown as Message);
}

const anyMessage = fc.oneof(
  append,
  message("voteRequest", { preVote: flag, transfer: flag, lastIndex: index, lastTerm: term }),
  message("voteResponse", { preVote: flag, granted: flag }),
  message("appendResponse", {
    index,
    rejected: fc.constant(true),
    hintIndex: index,
    hintTerm: term,
    damaged: flag,
  }),
  message("heartbeat", { commit: index, round: index, wantsReply: flag }),
  message("heartbeatResponse", { round: index }),
  message("snapshotOffer", {
    snapshot: fc.record({ index, term, configuration: fc.constant(SOME_CONFIGURATION) }),
  }),
  message("timeoutNow", {}),
  message("readRequest", { context: index }),
  message("readResponse", { context: index, index }),
);

test("every message survives the wire", () => {
  fc.assert(
    fc.property(anyMessage, (sent) => {
      const got = unpackMessage(decodeCbor(encodeCbor(packMessage(sent))), FROM, TO);
      expect(got).toEqual(sent);
    }),
  );
});

test("whatever else is sent is MALFORMED, never a bug", () => {
  const junk = fc.oneof(
    fc.anything({ withBigInt: true, withTypedArray: true }),
    fc.tuple(anyMessage, fc.nat(9), fc.anything()).map(([good, at, bad]) => {
      const packed = [...(packMessage(good) as CborValue[])] as unknown[];
      packed[at] = bad;
      return packed;
    }),
    anyMessage.map((good) => (packMessage(good) as CborValue[]).slice(0, -1)),
  );
  fc.assert(
    fc.property(junk, (value) => {
      try {
        unpackMessage(value, FROM, TO);
      } catch (error) {
        expect(errorCodeOf(error)).toBe("MALFORMED");
      }
    }),
    { numRuns: 2_000 },
  );
});

test("entries whose terms fall, or pass their leader's, are MALFORMED", () => {
  const entry = (t: number) => [t, 2, new Uint8Array(1)];
  const packed = (entries: CborValue) => [2, 0, 0, 7, 4, 5, 0, entries];
  expect(() => unpackMessage(packed([entry(5), entry(7)]), FROM, TO)).not.toThrow();
  for (const terms of [[4], [6, 5], [8]]) {
    expect(() => unpackMessage(packed(terms.map(entry)), FROM, TO)).toThrow("terms");
  }
});

test("a configuration that cannot be used is MALFORMED in a message", () => {
  const broken = encodeCbor({
    voters: [{ replica: "a", weight: 0 }],
    outgoing: [],
    learners: [],
  });
  expect(() => unpackMessage([2, 0, 0, 7, 4, 5, 0, [[5, 1, broken]]], FROM, TO)).toThrow("weight");
});
