import { expect, test } from "bun:test";
import type { SignedPart } from "../identity/index.ts";
import { Ballot, NETWORK, VALUE_A } from "./testing/ballot.ts";
import { WithheldCommits } from "./withheld-commits.ts";
import { openCommit, openWithheld, signWithheld } from "./withheld-statement.ts";

const DEADLINE_MS = 10_000;
const LEADER = 0;
const VICTIM = 1;
const TERM = 7;

/** What one validator knows of a decision of equals whose leader is node 0. */
class Watcher {
  readonly ballot: Ballot;
  readonly commits = new WithheldCommits(DEADLINE_MS);
  nowMs = 0;
  index = 10;

  constructor(count = 4) {
    this.ballot = new Ballot(Array.from({ length: count }, () => 1));
  }

  following(term = TERM) {
    return {
      leader: this.ballot.id(LEADER),
      term,
      commitIndex: this.index,
      appliedIndex: this.index,
    };
  }

  given(node = VICTIM): SignedPart {
    const part = this.ballot.commit(node, VALUE_A);
    this.commits.hold(openCommit(part, NETWORK)!, this.ballot.log, this.nowMs);
    return part;
  }

  isWithheld(following: ReturnType<Watcher["following"]> | null = this.following()): boolean {
    const missing = this.commits.missing(this.ballot.log, following, this.nowMs);
    return missing.some((one) => one.isWithheld);
  }

  accusation(by: number, term = TERM, leader = LEADER, commit?: SignedPart): SignedPart {
    return signWithheld(this.ballot.key(by), {
      network: NETWORK,
      operation: 1,
      author: this.ballot.id(by),
      leader: this.ballot.id(leader),
      term,
      commit: commit ?? this.ballot.commit(VICTIM, VALUE_A),
    });
  }

  hears(part: SignedPart): boolean {
    const said = openWithheld(part, NETWORK);
    if (said !== null) this.commits.hear(said, this.ballot.log, this.nowMs);
    return said !== null;
  }

  get isGuilty(): boolean {
    return this.commits.isGuilty(this.ballot.log, this.following());
  }

  /** Two deadlines, in which the leader writes other things. */
  pass(): void {
    for (const ms of [0, DEADLINE_MS, DEADLINE_MS]) {
      this.nowMs += ms;
      this.index++;
      this.isWithheld();
    }
  }
}

test("a leader that writes other things for two deadlines withholds what is missing", () => {
  const watcher = new Watcher();
  watcher.given();
  expect(watcher.isWithheld()).toBe(false);
  watcher.nowMs += DEADLINE_MS;
  expect(watcher.isWithheld()).toBe(false);
  watcher.nowMs += DEADLINE_MS - 1;
  watcher.index++;
  expect(watcher.isWithheld()).toBe(false);
  watcher.nowMs += 1;
  expect(watcher.isWithheld()).toBe(true);
});

test("a log that stands still after the first deadline is to be written to", () => {
  const watcher = new Watcher();
  watcher.given();
  const wants = () =>
    watcher.commits.missing(watcher.ballot.log, watcher.following(), watcher.nowMs)[0]?.wantsWrites;
  expect(wants()).toBe(false);
  watcher.nowMs += DEADLINE_MS;
  expect(wants()).toBe(true);
  watcher.index++;
  expect(wants()).toBe(false);
});

test("one whose log stands still does not, nor one that has just begun to lead", () => {
  const watcher = new Watcher();
  watcher.given();
  for (const ms of [0, DEADLINE_MS, DEADLINE_MS, DEADLINE_MS]) {
    watcher.nowMs += ms;
    expect(watcher.isWithheld()).toBe(false);
  }
  watcher.index++;
  expect(watcher.isWithheld(watcher.following(TERM + 1))).toBe(false);
  expect(watcher.isWithheld(null)).toBe(false);
  watcher.pass();
  watcher.index++;
  expect(watcher.isWithheld()).toBe(true);
});

test("what is in the log is missed no more, also when it came too late to count", () => {
  const watcher = new Watcher();
  const part = watcher.given();
  const { ballot } = watcher;
  ballot.put(...[0, 2, 3].map((node) => ballot.commit(node, VALUE_A)), ballot.reveal(0, VALUE_A));
  watcher.pass();
  expect(watcher.isWithheld()).toBe(true);
  for (const by of [2, 3]) watcher.hears(watcher.accusation(by));
  expect(watcher.isGuilty).toBe(true);
  ballot.put(part);
  expect(ballot.decision.hasCommitted(ballot.id(VICTIM))).toBe(false);
  expect(watcher.isWithheld()).toBe(false);
  expect(watcher.isGuilty).toBe(false);
  expect(watcher.commits.isEmpty).toBe(true);
});

test("a commit that comes when none are taken, of a stranger, or of no operation is not held", () => {
  const watcher = new Watcher();
  const { ballot } = watcher;
  ballot.put(...[0, 2, 3].map((node) => ballot.commit(node, VALUE_A)), ballot.reveal(0, VALUE_A));
  watcher.given();
  watcher.given(6);
  expect(watcher.commits.isEmpty).toBe(true);
  expect(openCommit(ballot.reveal(0, VALUE_A), NETWORK)).toBeNull();
});

test("more than the weight that may lie convicts, and never one alone", () => {
  const four = new Watcher();
  four.hears(four.accusation(VICTIM));
  expect(four.isGuilty).toBe(false);
  four.hears(four.accusation(2));
  expect(four.isGuilty).toBe(true);
  const three = new Watcher(3);
  for (let again = 0; again < 3; again++) three.hears(three.accusation(VICTIM));
  expect(three.isGuilty).toBe(false);
  const seven = new Watcher(7);
  for (const by of [1, 2]) seven.hears(seven.accusation(by));
  expect(seven.isGuilty).toBe(false);
  seven.hears(seven.accusation(3));
  expect(seven.isGuilty).toBe(true);
});

test("accusations count for one leader and term only, and not of the leader or of strangers", () => {
  const watcher = new Watcher();
  watcher.hears(watcher.accusation(VICTIM));
  watcher.hears(watcher.accusation(2, TERM - 1));
  watcher.hears(watcher.accusation(3, TERM, 2));
  watcher.hears(watcher.accusation(LEADER));
  watcher.hears(watcher.accusation(6));
  expect(watcher.isGuilty).toBe(false);
  // The latest of each counts: who accused another leader before may accuse this one now.
  watcher.hears(watcher.accusation(2));
  expect(watcher.isGuilty).toBe(true);
});

test("whoever knows the commit to be in the log believes no accuser", () => {
  const watcher = new Watcher();
  watcher.ballot.put(watcher.ballot.commit(VICTIM, VALUE_A));
  for (const by of [VICTIM, 2, 3]) watcher.hears(watcher.accusation(by));
  expect(watcher.isGuilty).toBe(false);
});

test("an accusation is nothing without its author's signature and the commit's", () => {
  const watcher = new Watcher();
  const { payload } = watcher.accusation(2);
  const { signature } = watcher.accusation(3);
  expect(watcher.hears({ payload, signature })).toBe(false);
  const forged = { ...watcher.ballot.commit(VICTIM, VALUE_A), signature: new Uint8Array(64) };
  expect(watcher.hears(watcher.accusation(2, TERM, LEADER, forged))).toBe(false);
  const reveal = watcher.ballot.reveal(VICTIM, VALUE_A);
  expect(watcher.hears(watcher.accusation(2, TERM, LEADER, reveal))).toBe(false);
  expect(watcher.hears(watcher.ballot.commit(VICTIM, VALUE_A))).toBe(false);
});

test("an accusation brings the commit along: who hears it can write it", () => {
  const watcher = new Watcher();
  watcher.hears(watcher.accusation(2));
  const missing = watcher.commits.missing(watcher.ballot.log, watcher.following(), watcher.nowMs);
  expect(missing.map(({ author }) => author)).toEqual([watcher.ballot.id(VICTIM)]);
});
