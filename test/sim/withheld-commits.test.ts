/** A leader that keeps one validator's votes out of the log, and a validator that says so of a good leader. */

import { expect, test } from "bun:test";
import {
  commitmentOf,
  encodeSaid,
  saltOf,
  signStatement,
  signWithheld,
} from "../../src/domain/trust/index.ts";
import { DecisionNetwork, NETWORK, VALUE, type Validator } from "./decision-network.ts";

const TWO_DEADLINES_MS = 20_000;
/** With an election or two; of virtual time. */
const VOTED_OUT_MS = 30_000;
const LIMIT_MS = 60_000;

function ledNetwork(seed: number, count: number) {
  const network = new DecisionNetwork(seed, count);
  network.until(() => network.leader !== null);
  network.pass(2_000);
  const { leader } = network;
  if (leader === null) throw new Error(`seed ${seed}: nobody leads`);
  return { network, leader, others: network.validators.filter((one) => one !== leader) };
}

function open(network: DecisionNetwork, by: Validator): void {
  by.open().catch((error) => network.failed(error));
}

function withholding(seed: number, count: number): void {
  const { network, leader, others } = ledNetwork(seed, count);
  const victim = others[0] as Validator;
  leader.withholds = victim.node;
  open(network, leader);
  const [term, fromMs] = [leader.term, network.scheduler.nowMs];
  const isOut = network.until(() => network.leader !== null && network.leader !== leader);
  const tookMs = network.scheduler.nowMs - fromMs;
  expect({ seed, isOut, hadTime: tookMs > TWO_DEADLINES_MS }).toMatchObject({
    isOut: true,
    hadTime: true,
  });
  expect(tookMs).toBeLessThan(VOTED_OUT_MS);
  network.until(() => network.validators.every((one) => one.decision()?.outcome != null));
  const decision = victim.decision();
  const hasVoted = decision?.hasCommitted(victim.node);
  expect({ seed, result: decision?.outcome?.result, hasVoted }).toEqual({
    seed,
    result: "decided",
    hasVoted: true,
  });
  const successor = network.leader;
  network.pass(60_000);
  expect(network.leader).toBe(successor);
  expect((successor?.term ?? 0) - term).toBeLessThan(5);
}

test.each([
  [3, 10],
  [4, 10],
  [5, 6],
  [7, 3],
])(
  "of %p a leader that withholds a member's commit is voted out, and the vote counts",
  (count, seedCount) => {
    for (let seed = 1; seed <= seedCount; seed++) withholding(seed, count);
  },
  LIMIT_MS,
);

test.each([4, 5])(
  "of %p one that accuses a good leader, as loud as it can, deposes nobody",
  (count) => {
    for (let seed = 1; seed <= 6; seed++) {
      const { network, leader, others } = ledNetwork(seed, count);
      const liar = others[0] as Validator;
      open(network, leader);
      network.until(() => liar.decision() !== undefined);
      const { term } = leader;
      for (let times = 0; times < 60; times++) {
        liar.tell(accusation(liar, leader));
        network.pass(1_000);
      }
      const now = { seed, leader: network.leader?.node, term: leader.term };
      expect(now).toEqual({ seed, leader: leader.node, term });
      expect(others[1]?.decision()?.outcome?.result).toBe("decided");
    }
  },
  LIMIT_MS,
);

/** Of a commit of its own, which others may hear of in this way only. */
function accusation(liar: Validator, leader: Validator): Uint8Array {
  const head = { network: NETWORK, operation: 1, author: liar.node } as const;
  const salt = saltOf(liar.key, NETWORK, 1);
  const commitment = commitmentOf({ ...head, value: VALUE, salt });
  const commit = signStatement(liar.key, { ...head, type: "commit", commitment });
  const said = { ...head, leader: leader.node, term: leader.term, commit };
  return encodeSaid(signWithheld(liar.key, said));
}
