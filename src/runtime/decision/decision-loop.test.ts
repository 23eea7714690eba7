import { expect, test } from "bun:test";
import { MemoryHost, MemoryLogger, Scheduler } from "../../adapters/memory/index.ts";
import { asNetworkId, asRequestId, MyceliumError, type NodeId } from "../../base/index.ts";
import { type NodeKey, nodeKeyFromSeed } from "../../domain/identity/index.ts";
import {
  certificateOf,
  decisionParticipants,
  frozenProblem,
  type OpenStatement,
  verifyCertificate,
} from "../../domain/trust/index.ts";
import { SqliteService } from "../../ports/testing/sqlite-service.ts";
import { DecisionLoop, DecisionStore, type Vote } from "./index.ts";

const NETWORK = asNetworkId("ab".repeat(32));
const VALUE = "cd".repeat(32);
const FOR: Vote = { value: VALUE, reason: "" };
const TIMES = { commitMs: 60_000, revealMs: 5_000 };

class Voters {
  readonly scheduler = new Scheduler(1);
  readonly sql = new SqliteService(() => this.clock.wallMs());
  readonly clock = new MemoryHost("all", this.scheduler);
  readonly keys: readonly NodeKey[];
  readonly loops: DecisionLoop[] = [];
  readonly files: (Uint8Array | null)[] = [];
  readonly votes: (Vote | null)[];
  members: ReadonlyMap<NodeId, number>;
  leader = 0;
  /** A node that opens with fewer than all. */
  biased: number | null = null;
  #requests = 0;

  constructor(votes: readonly (Vote | null)[]) {
    this.votes = [...votes];
    this.keys = votes.map((_, i) => nodeKeyFromSeed(new Uint8Array(32).fill(i + 1)));
    this.members = new Map(this.keys.map(({ nodeId }) => [nodeId, 2]));
    this.sql.afterWrite = () => {
      for (const loop of this.loops) this.scheduler.schedule(1, () => loop.wake());
    };
    for (const i of this.keys.keys()) this.start(i);
  }

  start(i: number): void {
    this.loops[i]?.stop();
    this.loops[i] = new DecisionLoop({
      network: NETWORK,
      key: this.keys[i] as NodeKey,
      store: new DecisionStore({
        sql: this.sql,
        newRequestId: () => asRequestId(String(this.#requests++)),
        readDeadlineMs: 1_000,
      }),
      voteFile: {
        read: () => this.files[i] ?? null,
        write: (content) => {
          this.files[i] = content;
        },
      },
      clock: this.clock,
      logger: new MemoryLogger(() => {}),
      leads: () => this.leader === i,
      leader: { following: () => null, tell: () => {}, disown: () => {} },
      participants: () =>
        decisionParticipants(new Map([...this.members].slice(0, this.biased === i ? 3 : 9))),
      objection: (frozen, openedAtMs) => {
        const known = [...this.members].map(([node, weight]) => ({ node, weight, joinedAtMs: 0 }));
        return frozenProblem(frozen, openedAtMs, known, () => false);
      },
      vote: async (_: OpenStatement) => this.votes[i] ?? null,
      onChange: () => {},
      onFatal: (error) => {
        throw error;
      },
    });
    this.loops[i].wake();
  }

  async open(by = 0, times = TIMES): Promise<number> {
    const operation = this.loops[by]?.open("release", "0.2.0", times) as Promise<number>;
    this.pass(10);
    return await operation;
  }

  pass(ms: number): void {
    this.scheduler.runUntil(this.scheduler.nowMs + ms);
  }

  outcome(by = 0) {
    return this.loops[by]?.log().decisions()[0]?.outcome ?? null;
  }
}

test("four who agree decide, and each of them holds a certificate for it", async () => {
  const voters = new Voters([FOR, FOR, FOR, FOR]);
  expect(await voters.open()).toBe(1);
  voters.pass(2_000);
  for (const loop of voters.loops) {
    const decision = loop.log().decision(1)!;
    expect(decision.outcome).toMatchObject({ result: "decided", value: VALUE });
    const rules = {
      network: NETWORK,
      kind: "release",
      value: VALUE,
      weights: voters.members,
    } as const;
    expect(verifyCertificate(certificateOf(decision)!, rules).ok).toBe(true);
  }
});

test("who waits for its operator holds up nobody, and counts as absent", async () => {
  const voters = new Voters([FOR, FOR, FOR, null]);
  await voters.open();
  voters.pass(20_000);
  expect(voters.outcome(3)).toMatchObject({ result: "decided" });
  expect(voters.outcome()?.parts.filter(({ part }) => part === "absent").length).toBe(1);
});

test("operators who approve later decide then; who never do let it time out", async () => {
  const voters = new Voters([FOR, null, null]);
  await voters.open();
  voters.pass(30_000);
  expect(voters.outcome()).toBeNull();
  voters.votes[1] = FOR;
  voters.scheduler.schedule(0, () => voters.loops[1]?.wake());
  voters.pass(5_000);
  expect(voters.outcome()).toMatchObject({ result: "decided" });
  const idle = new Voters([FOR, null, null]);
  await idle.open();
  idle.pass(TIMES.commitMs + TIMES.revealMs + 30_000);
  expect(idle.outcome()).toMatchObject({ result: "timedOut" });
});

test("those who are against say why, and it is rejected", async () => {
  const against = { value: null, reason: "the state format is below the floor" };
  const voters = new Voters([FOR, against, against]);
  await voters.open();
  voters.pass(20_000);
  expect(voters.outcome(1)).toMatchObject({ result: "rejected" });
  expect(voters.outcome()?.parts.filter(({ reason }) => reason !== "").length).toBe(2);
});

test("a node that restarts with another opinion keeps to the vote it gave", async () => {
  const voters = new Voters([FOR, null, null]);
  await voters.open();
  voters.pass(1_000);
  voters.votes[0] = { value: "ee".repeat(32), reason: "" };
  voters.start(0);
  voters.votes[1] = FOR;
  voters.start(1);
  voters.pass(20_000);
  expect(voters.outcome()).toMatchObject({ result: "decided", value: VALUE });
  expect(voters.loops[0]?.log().decision(1)?.equivocations).toEqual([]);
});

test("a leader that ends nothing is stood in for by the others", async () => {
  const voters = new Voters([FOR, FOR, FOR, FOR]);
  await voters.open();
  voters.leader = -1;
  voters.pass(20_000);
  expect(voters.outcome()).toMatchObject({ result: "decided" });
});

test("an opening that leaves members out is voted against by those it names", async () => {
  const voters = new Voters([FOR, FOR, FOR, FOR]);
  voters.biased = 0;
  await voters.open();
  voters.pass(30_000);
  expect(voters.outcome()).toMatchObject({ result: "rejected" });
});

test("lost answers and refusals of the store are tried again", async () => {
  const voters = new Voters([FOR, FOR, FOR]);
  await voters.open();
  let calls = 0;
  voters.sql.beforeWrite = () => {
    if (calls++ % 3 === 0) throw new MyceliumError("NO_QUORUM", "no quorum");
  };
  voters.pass(20_000);
  expect(voters.outcome()).toMatchObject({ result: "decided" });
});

test("operation ids go up, and one that was opened twice at once is opened once", async () => {
  const voters = new Voters([FOR, FOR, FOR]);
  const opened = [voters.loops[0], voters.loops[1]].map((loop) =>
    loop!.open("release", "0.2.0", TIMES).catch((error: MyceliumError) => error.code),
  );
  voters.pass(5_000);
  expect(await Promise.all(opened)).toEqual([1, "OVERLOADED"]);
  expect(await voters.open(1)).toBe(2);
  voters.pass(5_000);
  expect(voters.sql.rows("SELECT count(DISTINCT operation) AS n FROM _mycelium_decisions")).toEqual(
    [{ n: 2 }],
  );
});
