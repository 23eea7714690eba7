import { expect, test } from "bun:test";
import {
  asLogIndex,
  asReplicaId,
  asTerm,
  errorCodeOf,
  type LogIndex,
  SeededRandom,
} from "../../base/index.ts";
import { encodeConfiguration, makeConfiguration } from "./configuration.ts";
import type { EntryKind, LogEntry, LogReader } from "./entry.ts";
import { bootstrapSnapshot } from "./first-snapshot.ts";
import type { Append, Message } from "./message.ts";
import { DEFAULT_RAFT_OPTIONS } from "./options.ts";
import { RaftNode } from "./raft-node.ts";

const [A, B, C] = ["a", "b", "c"].map(asReplicaId) as [
  ReturnType<typeof asReplicaId>,
  ReturnType<typeof asReplicaId>,
  ReturnType<typeof asReplicaId>,
];
const THREE = makeConfiguration({ voters: [A, B, C].map((replica) => ({ replica, weight: 1 })) });

class Stored implements LogReader {
  readonly held: LogEntry[] = [];

  write(entries: readonly LogEntry[]): void {
    if (entries[0] === undefined) return;
    this.held.length = entries[0].index - 2;
    this.held.push(...entries);
  }

  termOf = (index: LogIndex) => (index === 1 ? asTerm(1) : (this.held[index - 2]?.term ?? null));
  entries = (from: LogIndex, to: LogIndex) => this.held.slice(from - 2, to - 1);
}

const TO_A = { from: B, to: A } as const;

/** Replica "a" of three, with its disk at once. */
class Subject {
  readonly stored = new Stored();
  readonly node: RaftNode;
  readonly applied: LogIndex[] = [];

  constructor(options: Partial<typeof DEFAULT_RAFT_OPTIONS> = {}) {
    this.node = new RaftNode({
      id: A,
      options: { ...DEFAULT_RAFT_OPTIONS, ...options },
      random: new SeededRandom(1),
      reader: this.stored,
      hardState: { term: asTerm(1), votedFor: null },
      snapshot: bootstrapSnapshot(THREE),
      lastIndex: asLogIndex(1),
      appliedIndex: asLogIndex(0),
      damagedUpTo: null,
    });
  }

  /** What it says; its writes are done if `isSyncing`. */
  take(isSyncing = true): readonly Message[] {
    const said: Message[] = [];
    for (let i = 0; i < 5; i++) {
      const ready = this.node.takeReady();
      said.push(...ready.messages);
      this.applied.push(...ready.committed.map((entry) => entry.index));
      const write = isSyncing ? this.node.takeWrite() : null;
      if (write === null) continue;
      this.stored.write(write.entries);
      this.node.persisted(write.sequence);
    }
    return said;
  }

  /** Makes it leader of term 2, its no-op at 2 not committed. */
  lead(): void {
    this.node.step({ kind: "timeoutNow", from: B, to: A, term: this.node.term });
    this.take();
    const { term } = this.node;
    this.node.step({ kind: "voteResponse", from: B, to: A, term, preVote: false, granted: true });
    this.take();
    expect(this.node.role).toBe("leader");
  }

  acknowledge(index: number, from = B): readonly Message[] {
    this.node.step({
      kind: "appendResponse",
      from,
      to: A,
      term: this.node.term,
      index: asLogIndex(index),
      rejected: false,
      hintIndex: asLogIndex(0),
      hintTerm: asTerm(0),
      damaged: false,
    });
    return this.take();
  }
}

function entry(index: number, term: number, kind: EntryKind = "command"): LogEntry {
  const payload = kind === "configuration" ? encodeConfiguration(otherConfiguration) : EMPTY;
  return { index: asLogIndex(index), term: asTerm(term), kind, payload };
}

const EMPTY = new Uint8Array(0);
const otherConfiguration = makeConfiguration({ voters: [{ replica: C, weight: 2 }] });

function append(term: number, prev: [number, number], entries: LogEntry[], commit = 1): Append {
  return {
    kind: "append",
    from: B,
    to: A,
    term: asTerm(term),
    prevIndex: asLogIndex(prev[0]),
    prevTerm: asTerm(prev[1]),
    commit: asLogIndex(commit),
    entries,
  };
}

test("committed entries are applied only once they are synced here", () => {
  const subject = new Subject();
  subject.node.step(append(2, [1, 1], [entry(2, 2), entry(3, 2)], 3));
  subject.take(false);
  expect(subject.node.commitIndex).toBe(asLogIndex(3));
  expect(subject.applied).toEqual([]);
  subject.take();
  expect(subject.applied).toEqual([2, 3].map(asLogIndex));
});

test("a configuration counts from when it is in the log, and no more once it is truncated", () => {
  const subject = new Subject();
  subject.node.step(append(2, [1, 1], [entry(2, 2), entry(3, 2, "configuration")]));
  expect(subject.node.configuration).toEqual(otherConfiguration);
  subject.node.step({ ...append(3, [2, 2], [entry(3, 3)]), from: C });
  expect(subject.node.configuration).toEqual(THREE);
  expect(subject.node.configurationIndex).toBe(asLogIndex(1));
});

test("a leader changes members only after its no-op is committed, one change at a time", () => {
  const subject = new Subject();
  subject.lead();
  const target = makeConfiguration({ voters: THREE.voters, learners: [asReplicaId("d")] });
  expect(subject.node.proposeConfiguration(target)).toBe("notReady");
  subject.acknowledge(2);
  expect(subject.node.proposeConfiguration(target)).toBeNull();
  expect(subject.node.proposeConfiguration(THREE)).toBe("changing");
  subject.acknowledge(3);
  expect(subject.node.proposeConfiguration(target)).toBe("unchanged");
  expect(subject.node.proposeConfiguration(THREE)).toBeNull();
});

test("a leader proposes nothing before its no-op is committed", () => {
  const subject = new Subject();
  subject.lead();
  expect(subject.node.propose([EMPTY])).toBeNull();
  subject.acknowledge(2);
  expect(subject.node.propose([EMPTY])).toBe(asLogIndex(3));
});

test("a leader with a full uncommitted tail refuses, and an empty tail takes any size", () => {
  const subject = new Subject({ uncommittedBytesMax: 100 });
  subject.lead();
  subject.acknowledge(2);
  expect(subject.node.propose([new Uint8Array(1_000)])).toBe(asLogIndex(3));
  expect(subject.node.propose([EMPTY])).toBeNull();
  subject.take();
  subject.acknowledge(3);
  expect(subject.node.propose([EMPTY])).toBe(asLogIndex(4));
});

test("late news of commits come with the next append, when the host asks, and at once to whoever reads", () => {
  const subject = new Subject({ tellsCommitsLate: true });
  const { node } = subject;
  const told = (messages: readonly Message[], to = B) =>
    messages.flatMap((message) =>
      "commit" in message && message.to === to ? [`${message.kind} ${message.commit}`] : [],
    );
  subject.lead();
  expect(told(subject.acknowledge(2))).toEqual([]);
  expect([node.commitIndex, node.hasCommitNews]).toEqual([asLogIndex(2), true]);
  node.tellCommits();
  expect(told(subject.take())).toEqual(["heartbeat 2"]);
  expect(node.hasCommitNews).toBe(false);

  node.propose([EMPTY]);
  subject.take();
  expect(told(subject.acknowledge(3))).toEqual([]);
  node.propose([EMPTY]);
  expect(told(subject.take())).toEqual(["append 3"]);
  expect(node.hasCommitNews).toBe(false);

  subject.acknowledge(4);
  const { term } = node;
  node.step({ kind: "readRequest", from: C, to: A, term, context: 7 });
  expect(told(subject.take())).toEqual(["heartbeat 4"]);
  node.step({ kind: "heartbeatResponse", from: B, to: A, term, round: 1 });
  expect(subject.take().map(({ kind }) => kind)).toEqual(["readResponse"]);
  // It could not be told before it acknowledged.
  expect(told(subject.acknowledge(4, C), C)).toEqual(["heartbeat 4"]);
});

test("a snapshot of what the log holds is not installed: acknowledged entries behind it stay", () => {
  const subject = new Subject();
  subject.node.step(append(2, [1, 1], [entry(2, 2), entry(3, 2), entry(4, 2)]));
  subject.take();
  const snapshot = subject.node.metaAt(asLogIndex(3));
  subject.node.step({ kind: "snapshotOffer", from: B, to: A, term: asTerm(2), snapshot });
  expect(subject.node.takeReady().snapshot).toBeNull();
  expect(subject.node.lastIndex).toBe(asLogIndex(4));
  expect(subject.node.commitIndex).toBe(asLogIndex(3));
});

test("a snapshot that comes back later than what was asked for replaces a shorter log", () => {
  const subject = new Subject();
  const offer = { ...bootstrapSnapshot(THREE), index: asLogIndex(10), term: asTerm(2) };
  subject.node.step({ kind: "snapshotOffer", from: B, to: A, term: asTerm(2), snapshot: offer });
  expect(subject.node.takeReady().snapshot).toMatchObject({ source: B, atLeast: 10 });
  // Of a term this replica has not seen yet.
  const got = { ...offer, index: asLogIndex(12), term: asTerm(5) };
  const sequence = subject.node.snapshotInstalled(got);
  expect(sequence).not.toBeNull();
  expect(subject.node.term).toBe(asTerm(5));
  expect([subject.node.lastIndex, subject.node.commitIndex]).toEqual([12, 12].map(asLogIndex));
  subject.node.persisted(sequence ?? 0);
  expect(subject.node.takeWrite()?.hardState).toEqual({ term: asTerm(5), votedFor: null });
});

test("an acknowledgement waits for its write, also when that was handed out already", () => {
  const subject = new Subject();
  subject.node.step(append(2, [1, 1], [entry(2, 2)]));
  const write = subject.node.takeWrite();
  if (write === null) throw new Error("nothing to write");
  subject.stored.write(write.entries);
  subject.node.step(append(2, [1, 1], [entry(2, 2)]));
  expect(subject.node.takeReady().messages).toEqual([]);
  subject.node.persisted(write.sequence);
  expect(subject.node.takeReady().messages.map((message) => message.kind)).toEqual([
    "appendResponse",
    "appendResponse",
  ]);
});

test("a candidacy that an append ended before its vote was synced asks for no votes", () => {
  const subject = new Subject();
  subject.node.step(append(2, [1, 1], [entry(2, 2)]));
  subject.take();
  subject.node.step({ kind: "timeoutNow", from: B, to: A, term: asTerm(2) });
  expect(subject.take(false)).toEqual([]);
  // Replaces the entry that it stood with.
  subject.node.step(append(3, [1, 1], [entry(2, 3)]));
  expect(subject.take().map((message) => message.kind)).toEqual(["appendResponse"]);
});

test("a follower that is told of a commit beyond its log has lost entries: its leader begins anew", () => {
  const follower = new Subject();
  follower.node.step(append(2, [1, 1], []));
  follower.take();
  const [commit, term] = [asLogIndex(9), asTerm(2)];
  follower.node.step({ ...TO_A, kind: "heartbeat", term, commit, round: 0, wantsReply: true });
  const lost = { rejected: true, damaged: true, hintIndex: asLogIndex(1), hintTerm: asTerm(1) };
  expect(follower.take()).toMatchObject([{ kind: "appendResponse", index: 9, ...lost }, {}]);

  const leader = new Subject();
  leader.lead();
  leader.acknowledge(2);
  const index = asLogIndex(2);
  leader.node.step({ ...TO_A, kind: "appendResponse", term: leader.node.term, index, ...lost });
  const again = { kind: "append", to: B, prevIndex: 1, entries: [{ index: 2 }] };
  expect(leader.take()).toMatchObject([again]);
});

test("what only a broken or hostile peer claims is MALFORMED", () => {
  const leader = new Subject();
  leader.lead();
  const { term } = leader.node;
  const follower = new Subject();
  follower.node.step(append(2, [1, 1], []));
  const claims: [Subject, Message][] = [
    [leader, { ...append(term, [1, 1], []), term }],
    [leader, { kind: "heartbeatResponse", from: B, to: A, term, round: 99 }],
    [leader, { kind: "timeoutNow", from: A, to: A, term }],
    [follower, { ...append(2, [1, 1], []), from: C }],
  ];
  for (const [subject, message] of claims) {
    expect(errorOf(() => subject.node.step(message))).toBe("MALFORMED");
  }
  expect(errorOf(() => leader.acknowledge(99))).toBe("MALFORMED");
});

test("a transfer that is asked for again and again still ends", () => {
  const subject = new Subject();
  subject.lead();
  subject.acknowledge(2);
  for (let tick = 0; tick < DEFAULT_RAFT_OPTIONS.electionTicks; tick++) {
    expect(subject.node.canPropose).toBe(tick === 0);
    expect(subject.node.transferLeadership(null)).toBeNull();
    subject.acknowledge(2);
    subject.node.tick();
  }
  expect(subject.node.canPropose).toBe(true);
});

test("a follower that answers is active at every moment, also right after check-quorum, and a silent one is not", () => {
  const subject = new Subject();
  subject.lead();
  subject.acknowledge(2);
  const isActive = (replica: typeof B) =>
    subject.node.status().peers.find((peer) => peer.replica === replica)?.isActive;
  for (let tick = 0; tick < 3 * DEFAULT_RAFT_OPTIONS.electionTicks; tick++) {
    subject.node.tick();
    expect(isActive(B)).toBe(true);
    if (tick % DEFAULT_RAFT_OPTIONS.heartbeatTicks === 0) subject.acknowledge(2);
  }
  expect(isActive(C)).toBe(false);
});

test("a leader that is disowned gets no vote for some elections' time, and then again", () => {
  const subject = new Subject();
  subject.node.step(append(2, [1, 1], []));
  expect(subject.node.disown(asTerm(1))).toBe(false);
  expect(subject.node.disown(asTerm(2))).toBe(true);
  expect(subject.node.disown(asTerm(2))).toBe(false);
  const asks = (from: typeof B, term: number): boolean => {
    subject.take();
    subject.node.step({
      kind: "voteRequest",
      from,
      to: A,
      term: asTerm(term),
      preVote: true,
      transfer: false,
      lastIndex: asLogIndex(9),
      lastTerm: asTerm(term),
    });
    return subject.take().some((one) => one.kind === "voteResponse" && one.granted);
  };
  expect(asks(B, 9)).toBe(false);
  expect(asks(C, 9)).toBe(true);
  for (let tick = 0; tick < 6 * DEFAULT_RAFT_OPTIONS.electionTicks; tick++) subject.node.tick();
  expect(asks(B, 99)).toBe(true);
});

test("messages for an earlier life of this replica are ignored", () => {
  const subject = new Subject();
  subject.node.step({ ...append(9, [1, 1], []), to: asReplicaId("a#1") });
  expect(subject.node.term).toBe(asTerm(1));
});

function errorOf(act: () => void): string | undefined {
  try {
    act();
  } catch (error) {
    return errorCodeOf(error);
  }
  return undefined;
}
