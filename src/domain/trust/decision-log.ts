/** All decisions of a log: which operations were opened, in order, and what became of each. */

import type { NetworkId } from "../../base/index.ts";
import type { SignedPart } from "../identity/index.ts";
import { Decision } from "./decision.ts";
import { openStatement } from "./decision-statement.ts";
import { unfairness } from "./decision-weights.ts";

export interface LoggedStatement {
  readonly part: SignedPart;
  /** The log's pinned time of it, Unix milliseconds; never falls. */
  readonly atMs: number;
}

export class DecisionLog {
  readonly #network: NetworkId;
  readonly #decisions = new Map<number, Decision>();
  #lastOperation = 0;

  constructor(network: NetworkId) {
    this.#network = network;
  }

  /** Highest operation id ever used; the next one is above it. */
  get lastOperation(): number {
    return this.#lastOperation;
  }

  decisions(): readonly Decision[] {
    return [...this.#decisions.values()];
  }

  decision(operation: number): Decision | undefined {
    return this.#decisions.get(operation);
  }

  /** In the log's order, each entry once. False when it is void: forged, of another network, or out of place. */
  apply({ part, atMs }: LoggedStatement): boolean {
    const statement = openStatement(part, this.#network);
    if (statement === null) return false;
    if (statement.type !== "open") {
      const decision = this.#decisions.get(statement.operation);
      decision?.apply(statement, part, atMs);
      return decision !== undefined;
    }
    const { operation, participants, author } = statement;
    const isNew = operation > this.#lastOperation;
    const isMember = participants.some(({ node }) => node === author);
    if (!isNew || !isMember || unfairness(participants) !== null) return false;
    this.#lastOperation = operation;
    this.#decisions.set(operation, new Decision(statement, part, atMs));
    return true;
  }
}
