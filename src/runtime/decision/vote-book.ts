/**
 * How this node voted, on disk before anybody is told: whoever commits to two values in one operation has lied, and
 * a node that forgot its vote in a crash must not.
 */

import {
  decodeCbor,
  encodeCbor,
  integer,
  list,
  nullable,
  object,
  type TypeOf,
  text,
} from "../../domain/wire/index.ts";

const VOTES_KEPT = 64;

const voteShape = object({
  operation: integer(1),
  value: nullable(text(64)),
  reason: text(300),
});
const bookShape = object({ votes: list(voteShape, VOTES_KEPT) });

export type RecordedVote = TypeOf<typeof voteShape>;

/** One small file. `write` resolves nothing: it is durable when it returns. */
export interface VoteFile {
  read(): Uint8Array | null;
  /** Throws DISK_FULL. */
  write(content: Uint8Array): void;
}

export class VoteBook {
  readonly #file: VoteFile;
  #votes: readonly RecordedVote[];

  /** Throws MALFORMED on a file that is none. */
  constructor(file: VoteFile) {
    this.#file = file;
    const content = file.read();
    this.#votes = content === null ? [] : bookShape(decodeCbor(content), "votes").votes;
  }

  vote(operation: number): RecordedVote | undefined {
    return this.#votes.find((one) => one.operation === operation);
  }

  record(vote: RecordedVote): void {
    const votes = [...this.#votes, vote].slice(-VOTES_KEPT);
    this.#file.write(encodeCbor({ votes: votes.map((one) => ({ ...one })) }));
    this.#votes = votes;
  }
}
