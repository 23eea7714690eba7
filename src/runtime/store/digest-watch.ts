/**
 * Watches that replicas agree. Every replica keeps the digests of its last batches; one whose digest differs from
 * the leader's reports it, and the leader asks all. Truth is the digest held by more than half of all weight;
 * whoever differs, leader included, fetches a fresh copy from one that does not. Without such a majority there is
 * doubt: the shard is read-only until `TableChecks` has found every table to be settled.
 */

import {
  equalBytes,
  type LogIndex,
  messageOf,
  type NodeId,
  nodeOfReplica,
  toHex,
} from "../../base/index.ts";
import { encodeCbor } from "../../domain/wire/index.ts";
import { DigestBook } from "./digest-book.ts";
import { countDigests, type DigestAnswer, differing } from "./digest-count.ts";
import { type DigestVerdict, digestAnswer, digestVerdict, methodOf } from "./rpc.ts";
import type { ShardContext } from "./shard-context.ts";
import { notLeader } from "./write-task.ts";

const REPORT_RETRY_MS = 1_000;
/** How often those who have not answered are asked again before their silence counts as no answer. */
const OPEN_COUNT_MAX = 5;

export interface DigestActions {
  /** `avoid`: who is known to be no source for a fresh copy. */
  resync(reason: string, avoid: readonly NodeId[]): void;
  /** Why no majority agrees; null when one does again. */
  doubt(why: string | null): void;
  /** This leader has judged a report. */
  judged(verdict: DigestVerdict): void;
}

export class DigestWatch {
  readonly #context: ShardContext;
  readonly #actions: DigestActions;
  readonly book = new DigestBook();
  #reporting = false;
  /** The index that could not be judged last, and how often. */
  #open: { readonly index: LogIndex; count: number } | null = null;

  constructor(context: ShardContext, actions: DigestActions) {
    this.#context = context;
    this.#actions = actions;
  }

  /** What this replica says of an index to those who ask. */
  answer(index: LogIndex): DigestAnswer {
    const isComing = index > this.#context.applied.value || this.book.isExpected(index);
    return this.book.get(index) ?? (isComing ? "later" : "gone");
  }

  /** Follower: holds its digest of a batch against the leader's. */
  compare(index: LogIndex, own: Uint8Array, leaders: Uint8Array): void {
    if (equalBytes(own, leaders)) return;
    const { metrics, logger, shard } = this.#context.options;
    metrics.count("mycelium_store_digest_mismatches_total");
    logger.error("store digest differs from the leader's", {
      shard,
      index,
      own: toHex(own),
      leaders: toHex(leaders),
    });
    if (this.#reporting) return;
    this.#reporting = true;
    void this.#report(index, own);
  }

  /** The leader's judgement of a report. Throws NOT_LEADER. */
  async judge(index: LogIndex, reporter: NodeId, reported: Uint8Array): Promise<DigestVerdict> {
    const { term } = this.#context.leadership;
    if (!this.#context.leads()) throw notLeader();
    const answers = new Map<NodeId, DigestAnswer>([[reporter, reported]]);
    await this.askVoters(index, answers);
    if (!this.#context.leads(term)) throw notLeader();
    const weights = this.#context.options.log.weights();
    const { truth, isOpen } = countDigests(answers, weights);
    if (truth !== null) {
      const verdict = truthVerdict(index, truth, answers);
      this.#actions.judged(verdict);
      this.receive(verdict);
      return verdict;
    }
    // One that does not vote is no reason to doubt those that do: it takes their copy.
    const votes = [...weights.keys()].some((replica) => nodeOfReplica(replica) === reporter);
    if (!votes) return { ...NO_VERDICT, index, isOpen };
    if (isOpen && this.#mayStayOpen(index)) return { ...NO_VERDICT, index, isOpen: true };
    const doubt = `no majority of replicas agrees on the effects of log index ${index}`;
    this.#actions.doubt(doubt);
    return { ...NO_VERDICT, index, doubt };
  }

  /** What follows from a verdict on this replica. */
  receive({ index, truth, avoid, doubt, isSettled }: DigestVerdict): void {
    if (doubt !== null) this.#actions.doubt(doubt);
    else if (isSettled) this.#actions.doubt(null);
    const own = this.book.get(index);
    if (truth === null || own === null || equalBytes(truth, own)) return;
    this.#actions.resync(`its digest of log index ${index} differs from the majority's`, avoid);
  }

  /** Asks those of `nodes` that have not answered for good, all at once, and notes what they say. */
  async ask(
    index: LogIndex,
    nodes: Iterable<NodeId>,
    answers: Map<NodeId, DigestAnswer>,
  ): Promise<void> {
    await Promise.all(
      [...new Set(nodes)].map(async (node) => {
        const known = answers.get(node) ?? "away";
        if (known === "later" || known === "away") answers.set(node, await this.#ask(node, index));
      }),
    );
  }

  askVoters(index: LogIndex, answers: Map<NodeId, DigestAnswer>): Promise<void> {
    const voters = [...this.#context.options.log.weights().keys()].map(nodeOfReplica);
    return this.ask(index, voters, answers);
  }

  /** A short silence is no reason to refuse writes. */
  #mayStayOpen(index: LogIndex): boolean {
    if (this.#open?.index !== index) this.#open = { index, count: 0 };
    this.#open.count++;
    return this.#open.count < OPEN_COUNT_MAX;
  }

  async #ask(node: NodeId, index: LogIndex): Promise<DigestAnswer> {
    const { authority, peers, shard, limits, logger } = this.#context.options;
    if (node === authority.node) return this.answer(index);
    try {
      const method = methodOf(shard, "digest-get");
      const payload = encodeCbor({ index });
      const answer = await peers.request(node, method, payload, limits.forwardTimeoutMs);
      const { digest, isComing } = digestAnswer.decode(answer);
      return digest ?? (isComing ? "later" : "gone");
    } catch (error) {
      logger.warn("store digest not answered", { node, reason: messageOf(error) });
      return "away";
    }
  }

  /** Tells the leader, until it has judged. */
  async #report(index: LogIndex, digest: Uint8Array): Promise<void> {
    const context = this.#context;
    while (!context.stopped && this.book.get(index) === digest) {
      const verdict = await this.#judgedByLeader(index, digest);
      if (verdict !== null && !verdict.isOpen) {
        this.receive(verdict);
        if (verdict.truth === null && verdict.doubt === null) {
          this.#actions.resync(`its digest of log index ${index} differs from the leader's`, []);
        }
        break;
      }
      await context.pause(REPORT_RETRY_MS);
    }
    this.#reporting = false;
  }

  async #judgedByLeader(index: LogIndex, digest: Uint8Array): Promise<DigestVerdict | null> {
    const { authority, log, peers, shard, limits, logger } = this.#context.options;
    const { leader } = log.leadership();
    if (leader === null) return null;
    try {
      if (leader === authority.node) return await this.judge(index, leader, digest);
      const method = methodOf(shard, "digest-report");
      const payload = encodeCbor({ index, digest });
      const answer = await peers.request(leader, method, payload, limits.forwardTimeoutMs * 2);
      return digestVerdict.decode(answer);
    } catch (error) {
      logger.warn("store digest report failed, will retry", { reason: messageOf(error) });
      return null;
    }
  }
}

export const NO_VERDICT = {
  truth: null,
  isOpen: false,
  avoid: [],
  doubt: null,
  isSettled: false,
} as const satisfies Omit<DigestVerdict, "index">;

export function truthVerdict(
  index: LogIndex,
  truth: Uint8Array,
  answers: ReadonlyMap<NodeId, DigestAnswer>,
): DigestVerdict {
  return { ...NO_VERDICT, index, truth, avoid: differing(answers, truth) };
}
