/** For tests: nodes that decide, and the statements they can make, honest and not. */

import { asNetworkId, type NodeId } from "../../../base/index.ts";
import { type NodeKey, nodeKeyFromSeed, type SignedPart } from "../../identity/index.ts";
import type { Decision } from "../decision.ts";
import { DecisionLog } from "../decision-log.ts";
import { commitmentOf, type OpenStatement, signStatement } from "../decision-statement.ts";
import { decisionParticipants } from "../decision-weights.ts";

export const NETWORK = asNetworkId("ab".repeat(32));
export const COMMIT_MS = 1_000;
export const REVEAL_MS = 500;
export const VALUE_A = "aa".repeat(32);
export const VALUE_B = "bb".repeat(32);
const OPENED_AT_MS = 10_000;

const KEYS: readonly NodeKey[] = Array.from({ length: 8 }, (_, i) =>
  nodeKeyFromSeed(new Uint8Array(32).fill(i + 1)),
).sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));

/** One decision and the log it is in; node numbers are positions in the order of the ids. */
export class Ballot {
  readonly keys: readonly NodeKey[];
  readonly log = new DecisionLog(NETWORK);
  nowMs = OPENED_AT_MS;

  constructor(nodeWeights: readonly number[]) {
    this.keys = KEYS.slice(0, nodeWeights.length);
    this.put(this.opening());
  }

  get decision(): Decision {
    const decision = this.log.decision(1);
    if (decision === undefined) throw new Error("not opened");
    return decision;
  }

  id(node: number): NodeId {
    return this.key(node).nodeId;
  }

  key(node: number): NodeKey {
    const key = KEYS[node];
    if (key === undefined) throw new Error(`no key ${node}`);
    return key;
  }

  weights(): Map<NodeId, number> {
    return new Map(this.keys.map(({ nodeId }) => [nodeId, 1]));
  }

  opening(change: Partial<OpenStatement> = {}, author = 0): SignedPart {
    return signStatement(this.key(author), {
      type: "open",
      network: NETWORK,
      operation: 1,
      author: this.id(author),
      kind: "release",
      subject: "0.2.0",
      participants: decisionParticipants(this.weights()),
      commitMs: COMMIT_MS,
      revealMs: REVEAL_MS,
      ...change,
    });
  }

  commit(node: number, value: string | null, salt = 1): SignedPart {
    const vote = this.#vote(node, value, salt);
    const { network, operation, author } = vote;
    const commitment = commitmentOf(vote);
    return signStatement(this.key(node), {
      type: "commit",
      network,
      operation,
      author,
      commitment,
    });
  }

  reveal(node: number, value: string | null, salt = 1, reason = ""): SignedPart {
    return signStatement(this.key(node), {
      type: "reveal",
      reason,
      ...this.#vote(node, value, salt),
    });
  }

  end(node: number, type: "deadline" | "close"): SignedPart {
    const author = this.id(node);
    return signStatement(this.key(node), { type, network: NETWORK, operation: 1, author });
  }

  put(...parts: readonly SignedPart[]): this {
    for (const part of parts) this.log.apply({ part, atMs: this.nowMs });
    return this;
  }

  #vote(node: number, value: string | null, salt: number) {
    const saltBytes = new Uint8Array(32).fill(salt);
    return { network: NETWORK, operation: 1, author: this.id(node), value, salt: saltBytes };
  }
}
