/** An interactive writing transaction as its gateway holds it, with the leader's lane here or on another node. */

import {
  asRequestId,
  errorCodeOf,
  MyceliumError,
  messageOf,
  type NodeId,
  toHex,
} from "../../base/index.ts";
import type { SignedBundle } from "../../domain/replication/index.ts";
import {
  decodeProgramResult,
  encodeProgram,
  type Program,
  type ProgramResult,
  type SqlRole,
} from "../../domain/sql/index.ts";
import { decodeCbor, encodeCbor, object, text } from "../../domain/wire/index.ts";
import type { SqlTransaction } from "../../ports/index.ts";
import type { BundleSigner } from "./bundles.ts";
import { concatPrograms } from "./concat-programs.ts";
import { transactionClosed } from "./interactive-lane.ts";
import { mayHaveRun } from "./may-have-run.ts";
import type { ShardOptions } from "./options.ts";
import { methodOf, type StoreVerb } from "./rpc.ts";

/** The leader's side of an interactive transaction. */
export interface Lane {
  begin(role: SqlRole): Promise<string>;
  step(id: string, program: Program, deadlineMs: number): Promise<ProgramResult>;
  seal(id: string, signed: SignedBundle): Promise<void>;
  close(id: string): Promise<void>;
}

const begunShape = object({ id: text(64) });

export class RemoteLane implements Lane {
  readonly #options: ShardOptions;
  readonly #leader: NodeId;

  constructor(options: ShardOptions, leader: NodeId) {
    this.#options = options;
    this.#leader = leader;
  }

  async begin(role: SqlRole): Promise<string> {
    const waitMs = this.#options.limits.retryMs + this.#options.limits.forwardTimeoutMs;
    const answer = await this.#call("tx-begin", encodeCbor({ role }), waitMs);
    return begunShape(decodeCbor(answer), "a begun transaction").id;
  }

  async step(id: string, program: Program, deadlineMs: number): Promise<ProgramResult> {
    const payload = encodeCbor({ id, program: encodeProgram(program), deadlineMs });
    const waitMs = deadlineMs + this.#options.limits.forwardTimeoutMs;
    return decodeProgramResult(await this.#call("tx-step", payload, waitMs));
  }

  async seal(id: string, signed: SignedBundle): Promise<void> {
    const payload = encodeCbor({
      id,
      signed: { payload: signed.payload, signature: signed.signature },
    });
    await this.#call("tx-seal", payload, this.#options.limits.retryMs);
  }

  async close(id: string): Promise<void> {
    await this.#call("tx-close", encodeCbor({ id }), this.#options.limits.forwardTimeoutMs);
  }

  #call(verb: StoreVerb, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const { peers, shard } = this.#options;
    return peers.request(this.#leader, methodOf(shard, verb), payload, timeoutMs);
  }
}

export class WriteTransaction implements SqlTransaction {
  readonly #options: ShardOptions;
  readonly #signer: BundleSigner;
  readonly #lane: Lane;
  readonly #id: string;
  readonly #role: SqlRole;
  readonly #executed: Program[] = [];
  #ended = false;

  constructor(options: ShardOptions, signer: BundleSigner, lane: Lane, id: string, role: SqlRole) {
    this.#options = options;
    this.#signer = signer;
    this.#lane = lane;
    this.#id = id;
    this.#role = role;
  }

  async step(program: Program, deadlineMs: number): Promise<ProgramResult> {
    if (this.#ended) throw transactionClosed("it has ended");
    const result = await this.#lane.step(this.#id, program, deadlineMs);
    this.#executed.push(program);
    if (!result.autocommit) return result;
    this.#ended = true;
    const id = asRequestId(toHex(this.#options.entropy(16)));
    const request = { id, role: this.#role, program: concatPrograms(this.#executed) };
    try {
      await this.#lane.seal(this.#id, this.#signer.sign([request]));
    } catch (error) {
      // Refused with CLOSED it was rolled back, and the leader says why.
      if (!mayHaveRun(error) || errorCodeOf(error) === "CLOSED") throw error;
      throw unknownCommit(error);
    }
    return result;
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#lane.close(this.#id);
  }
}

function unknownCommit(cause: unknown): MyceliumError {
  return new MyceliumError(
    "OUTCOME_UNKNOWN",
    `Cannot tell whether the transaction was committed: ${messageOf(cause)}; look at what it was to change before ` +
      "you run it again",
    { cause },
  );
}
