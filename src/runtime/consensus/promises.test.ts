import { expect, test } from "bun:test";
import {
  asGroupId,
  asLogIndex,
  asNodeId,
  asTerm,
  type LogIndex,
  type ReplicaId,
  replicaOfNode,
} from "../../base/index.ts";
import type { Message } from "../../domain/raft/index.ts";
import {
  decodePromises,
  encodePromises,
  isForgotten,
  PromiseBook,
  type ReplicaPromise,
} from "./promises.ts";

const group = asGroupId("main");
const [a, b] = [asNodeId("a"), asNodeId("b")];
const replica = replicaOfNode(b, 0);

function acknowledgement(term: number, index: number, from: ReplicaId = replica): Message {
  return {
    kind: "appendResponse",
    from,
    to: replicaOfNode(a, 0),
    term: asTerm(term),
    index: asLogIndex(index),
    rejected: false,
    hintIndex: 0 as LogIndex,
    hintTerm: asTerm(0),
    damaged: false,
  };
}

function vote(term: number, preVote: boolean): Message {
  const to = replicaOfNode(a, 0);
  return { kind: "voteResponse", from: replica, to, term: asTerm(term), preVote, granted: true };
}

function toldAfter(...messages: readonly Message[]): readonly ReplicaPromise[] {
  const book = new PromiseBook();
  expect(book.linked(b, "one")).toEqual([]);
  for (const message of messages) book.note(b, group, message);
  expect(book.linked(b, "one")).toEqual([]);
  return book.linked(b, "two");
}

test("what one process promised is told to the next one of that node, also when it links again", () => {
  const book = new PromiseBook();
  book.linked(b, "one");
  book.note(b, group, acknowledgement(3, 40));
  book.note(b, group, acknowledgement(3, 20));
  const told = book.linked(b, "two");
  expect(told).toEqual([
    { group, replica, term: asTerm(3), votedFor: null, index: asLogIndex(40) },
  ]);
  book.note(b, group, acknowledgement(3, 90));
  expect(book.linked(b, "two")).toEqual(told);
  expect(book.linked(b, "three")[0]?.index).toBe(asLogIndex(90));
});

test("only what rests on a write is a promise, and a later term's stands for all before", () => {
  expect(toldAfter(vote(7, true), { ...acknowledgement(7, 9), rejected: true } as Message)).toEqual(
    [],
  );
  const [told] = toldAfter(acknowledgement(3, 40), vote(4, false), acknowledgement(3, 41));
  expect(told).toEqual({ group, replica, term: asTerm(4), votedFor: a, index: asLogIndex(0) });
});

test("isForgotten() finds an older term, another vote, a shorter log and an earlier life, and nothing else", () => {
  const promise = { group, replica, term: asTerm(5), votedFor: a, index: asLogIndex(100) };
  const found = {
    replica,
    term: asTerm(5),
    votedFor: replicaOfNode(a, 2),
    lastIndex: asLogIndex(100),
    damagedUpTo: null,
  };
  expect(isForgotten(promise, found)).toBe(false);
  expect(isForgotten(promise, { ...found, term: asTerm(4) })).toBe(true);
  expect(isForgotten(promise, { ...found, votedFor: null })).toBe(true);
  expect(isForgotten({ ...promise, votedFor: null }, { ...found, votedFor: null })).toBe(false);
  const short = { ...found, lastIndex: asLogIndex(99) };
  expect(isForgotten(promise, short)).toBe(true);
  expect(isForgotten(promise, { ...short, damagedUpTo: asLogIndex(100) })).toBe(false);
  // Truncated by a later leader.
  expect(isForgotten(promise, { ...short, term: asTerm(6), votedFor: null })).toBe(false);
  expect(isForgotten(promise, { ...short, replica: replicaOfNode(b, 1) })).toBe(false);
  const later = { ...promise, replica: replicaOfNode(b, 1) };
  expect(isForgotten(later, found)).toBe(true);
});

test("promises go over the wire unchanged", () => {
  const told = toldAfter(acknowledgement(3, 40), vote(2 ** 33, false));
  expect(decodePromises(encodePromises(told))).toEqual(told);
  expect(() => decodePromises(new Uint8Array([0x01]))).toThrow(/promises/);
});
