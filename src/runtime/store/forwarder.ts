/**
 * Carries this gateway's requests to the leader: here, or over one of a few bundles under way at once. While those
 * are under way the next bundle gathers, so one signature and one message serve many requests.
 */

import { errorCodeOf, MyceliumError, messageOf, type NodeId } from "../../base/index.ts";
import type { Request } from "../../domain/replication/index.ts";
import { type ProgramResult, programSizeBytes } from "../../domain/sql/index.ts";
import type { BundleSigner } from "./bundles.ts";
import type { ShardOptions } from "./options.ts";
import { decodeAnswers, encodeSigned, methodOf } from "./rpc.ts";
import type { ShardLoop } from "./shard-loop.ts";
import { notLeader } from "./write-task.ts";

interface Pending {
  readonly request: Request;
  readonly sizeBytes: number;
  readonly resolve: (result: ProgramResult) => void;
  readonly reject: (error: unknown) => void;
}

/** Requests in one bundle: a batch's worth at most. */
const BUNDLE_COUNT_MAX = 256;

export class Forwarder {
  readonly #options: ShardOptions;
  readonly #loop: ShardLoop;
  readonly #signer: BundleSigner;
  #pending: Pending[] = [];
  #underWay = 0;
  #flushing = false;

  constructor(options: ShardOptions, loop: ShardLoop, signer: BundleSigner) {
    this.#options = options;
    this.#loop = loop;
    this.#signer = signer;
    loop.serve({ gather: () => this.#flush(true), waitingCount: () => this.#pending.length });
  }

  /**
   * One try at the leader known now. Rejects with NOT_LEADER when the request was certainly not applied, with
   * OUTCOME_UNKNOWN, TIMEOUT or UNREACHABLE when it may have been, or with what the leader refused. TOO_LARGE: it does
   * not fit one log entry.
   */
  send(request: Request): Promise<ProgramResult> {
    const sizeBytes = programSizeBytes(request.program);
    const { requestBytesMax } = this.#options.limits;
    if (sizeBytes > requestBytesMax) return Promise.reject(tooLarge(sizeBytes, requestBytesMax));
    return new Promise((resolve, reject) => {
      this.#pending.push({ request, sizeBytes, resolve, reject });
      this.#flushSoon();
    });
  }

  get pendingCount(): number {
    return this.#pending.length;
  }

  /** Waits for the end of this turn, so that requests read from the network together share a bundle. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  /** `gathering`: the leader here is about to take its next batch; at other times a busy one is left alone. */
  #flush(gathering = false): void {
    if (this.#pending.length === 0) return;
    const { leader, ready } = this.#loop.context.leadership;
    const here = leader === this.#options.authority.node;
    if (leader === null || (here && !ready)) {
      for (const { reject } of this.#pending.splice(0)) reject(notLeader());
      return;
    }
    const isFull = this.#underWay >= this.#options.limits.forwardsMax;
    if (here ? !gathering && this.#loop.holdsBack() : isFull) return;
    const bundle = this.#takeBundle();
    if (here) {
      this.#submitHere(bundle);
    } else {
      this.#underWay++;
      void this.#submitTo(leader, bundle).finally(() => {
        this.#underWay--;
        this.#flush();
      });
    }
    if (this.#pending.length > 0) this.#flush(gathering);
  }

  /** The oldest, as many as make one bundle: its leader logs it whole, also when it runs it in parts. */
  #takeBundle(): readonly Pending[] {
    const { bundleBytesMax } = this.#options.limits;
    let count = 0;
    let sizeBytes = 0;
    for (const pending of this.#pending) {
      sizeBytes += pending.sizeBytes;
      if (count >= BUNDLE_COUNT_MAX || (count > 0 && sizeBytes > bundleBytesMax)) break;
      count++;
    }
    return this.#pending.splice(0, count);
  }

  #submitHere(bundle: readonly Pending[]): void {
    try {
      const requests = bundle.map(({ request }) => request);
      const results = this.#loop.submitOwn({ signed: this.#signer.sign(requests), requests });
      results.forEach((result, i) => {
        result.then(bundle[i]?.resolve, bundle[i]?.reject);
      });
    } catch (error) {
      for (const { reject } of bundle) reject(error);
    }
  }

  async #submitTo(leader: NodeId, bundle: readonly Pending[]): Promise<void> {
    const { peers, shard, limits } = this.#options;
    try {
      const signed = this.#signer.sign(bundle.map(({ request }) => request));
      const method = methodOf(shard, "submit");
      const timeoutMs = limits.forwardTimeoutMs;
      const answer = await peers.request(leader, method, encodeSigned(signed), timeoutMs);
      const answers = decodeAnswers(answer);
      bundle.forEach(({ resolve, reject }, i) => {
        const one = answers[i];
        if (one?.ok === true) resolve(one.result);
        else
          reject(
            one?.error ?? new MyceliumError("OUTCOME_UNKNOWN", "Cannot read the leader's answer"),
          );
      });
    } catch (error) {
      const code = errorCodeOf(error);
      // The bundle itself fits a frame, so it is the answer that does not: it ran.
      const isLost = code === undefined || code === "TOO_LARGE";
      const failure = isLost ? unreachable(error) : error;
      for (const { reject } of bundle) reject(failure);
    }
  }
}

function tooLarge(sizeBytes: number, sizeBytesMax: number): MyceliumError {
  return new MyceliumError(
    "TOO_LARGE",
    `Cannot write: the statements and arguments have ${sizeBytes} bytes, needed at most ${sizeBytesMax} in one ` +
      "request; nothing was changed; split it into smaller ones",
  );
}

function unreachable(error: unknown): MyceliumError {
  return new MyceliumError("UNREACHABLE", `Cannot reach the leader: ${messageOf(error)}`, {
    cause: error,
  });
}
