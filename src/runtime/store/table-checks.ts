/**
 * Every table is hashed on all replicas at one log index, in rotation: damage that no write meets is found so. The
 * leader proposes a check when nothing else waits; every replica that applies it hashes that very state beside its
 * work; the leader asks for all hashes and tells who differs to fetch a fresh copy. A replica that could not hash
 * (it was replaced meanwhile, or stops) has no say until the next time.
 */

import { errorCodeOf, type LogIndex, messageOf, type NodeId, utf8 } from "../../base/index.ts";
import { CHECK_BYTES_MAX } from "../../domain/replication/index.ts";
import type { Timer } from "../../ports/index.ts";
import { countDigests, type DigestAnswer, differing } from "./digest-count.ts";
import { type DigestWatch, NO_VERDICT, truthVerdict } from "./digest-watch.ts";
import { type ComparisonState, ReplicaComparison } from "./replica-comparison.ts";
import { type DigestVerdict, encodeVerdict, methodOf } from "./rpc.ts";
import type { ShardContext } from "./shard-context.ts";
import { TableRotation } from "./table-rotation.ts";
import { notLeader } from "./write-task.ts";

/** In place of a hash: this replica has no such table. All agree on that of a table that was dropped meanwhile. */
const NO_TABLE = new Uint8Array(32);
const SEED = new Uint8Array(16);
/** A check changes nothing. */
const NO_EFFECTS = new Uint8Array(32);
/** How often a replica that is not reached is asked for a hash. */
const AWAY_COUNT_MAX = 3;
const EVER = Number.POSITIVE_INFINITY;
/** Batches whose digests one replica is asked for when it is compared. */
const BATCHES_COMPARED = 8;
/** A replica may take so many times as long as the leader. */
const SLOWER_MAX = 5;

interface OwnHash {
  readonly index: LogIndex;
  readonly startedMs: number;
  readonly hash: Promise<Uint8Array | null>;
}

interface WantedCheck {
  readonly table: string;
  readonly sinceMs: number;
  readonly resolve: (own: OwnHash | null) => void;
}

export interface CheckActions {
  /** There is something to propose. */
  wake(): void;
  onCorrupt(reason: string): void;
}

export class TableChecks {
  readonly #context: ShardContext;
  readonly #digests: DigestWatch;
  readonly #actions: CheckActions;
  readonly #rotation = new TableRotation();
  #wanted: WantedCheck | null = null;
  #latest: OwnHash | null = null;
  #hashing = false;
  /** Tables on which a majority agreed, since the leader here began this round. */
  readonly #agreed = new Set<string>();
  #term = -1;
  /** Grows with each doubt: what was asked before does not end it. */
  #doubtCount = 0;
  #isProgressing = false;
  /** Of one replica, which was asked for. */
  #comparison: ReplicaComparison | null = null;
  #gapMs: number;
  /** Nothing is due before this time, if nothing was written since that index. */
  #quiet = { untilMs: Number.NEGATIVE_INFINITY, index: 0 };
  #nap: { readonly timer: Timer; readonly end: () => void } | null = null;

  constructor(context: ShardContext, digests: DigestWatch, actions: CheckActions) {
    this.#context = context;
    this.#digests = digests;
    this.#actions = actions;
    this.#gapMs = this.#gapFor(1);
  }

  /** Runs until the shard stops. */
  async run(): Promise<void> {
    const context = this.#context;
    while (!context.stopped) {
      await this.#sleep(this.#pauseMs());
      this.#isProgressing = false;
      // One replica alone has nobody to compare with.
      if (context.leads() && context.options.replicaNodes().length > 0) await this.#checkNext();
    }
  }

  /** Looks for work now. */
  rouse(): void {
    this.#nap?.end();
  }

  /** All tables are checked anew, and at once. */
  doubt(): void {
    this.#doubtCount++;
    this.#agreed.clear();
    this.rouse();
  }

  /** Has everything compared with what `node` holds, from the first call of this occasion on. Throws NOT_LEADER. */
  compare(node: NodeId, occasion: string): ComparisonState {
    const { applied, leadership, options } = this.#context;
    if (!this.#context.leads()) throw notLeader();
    const { term } = leadership;
    const before = this.#comparison;
    if (before?.node !== node || before.occasion !== occasion || before.term !== term) {
      this.#comparison = new ReplicaComparison(node, occasion, term, applied.value);
      if (options.replicaNodes().length === 0) this.#comparison.done();
      this.rouse();
      return this.#comparison.state;
    }
    return before.state;
  }

  /** The leader has judged: who differs is known. */
  judged({ avoid, index }: DigestVerdict): void {
    const compared = this.#comparison;
    if (compared === null || !avoid.includes(compared.node)) return;
    compared.differs(`its digest of log index ${index} differs from the majority's`);
  }

  /** A check to propose when nothing else waits. */
  get isWanted(): boolean {
    return this.#wanted !== null;
  }

  /** A check that has waited for an idle moment for too long, or that would end a doubt. */
  get isUrgent(): boolean {
    if (this.#wanted === null) return false;
    const { options, problems } = this.#context;
    const waitedMs = options.clock.monotonicMs() - this.#wanted.sinceMs;
    const isAwaited = problems.has("digest") || this.#isComparing;
    return isAwaited || waitedMs >= options.limits.checkIdleMs;
  }

  /** The pump's turn: proposes the check that is wanted. */
  propose(): void {
    const wanted = this.#wanted;
    if (wanted === null) return;
    this.#wanted = null;
    const batch = {
      context: { timeMs: this.#context.nowPinnedMs(), seed: SEED },
      bundles: [],
      skipped: [],
      digest: NO_EFFECTS,
      check: wanted.table,
    };
    const abandoned = () => wanted.resolve(null);
    const checked = () => wanted.resolve(this.#latest);
    const isProposed =
      !this.#context.hasWrongClock() && this.#context.propose(batch, checked, abandoned);
    if (!isProposed) abandoned();
  }

  /** The leadership is gone, or the shard stops. */
  abandon(): void {
    this.#wanted?.resolve(null);
    this.#wanted = null;
  }

  /** Every replica, when the database holds exactly what the log holds up to `index`. */
  begin(index: LogIndex, table: string): void {
    const startedMs = this.#context.options.clock.monotonicMs();
    this.#rotation.note(table, startedMs);
    this.#latest = { index, startedMs, hash: this.#hash(index, table) };
  }

  async #hash(index: LogIndex, table: string): Promise<Uint8Array | null> {
    if (this.#hashing) return null;
    this.#hashing = true;
    this.#digests.book.expect(index);
    const { copyCount } = this.#context;
    try {
      const hash = await this.#read(table);
      // A copy may have taken the place of the state that was to be hashed.
      if (hash === null || this.#context.copyCount !== copyCount) return null;
      this.#digests.book.recordCheck(index, hash);
      return hash;
    } finally {
      this.#hashing = false;
      this.#digests.book.settle(index);
    }
  }

  async #read(table: string): Promise<Uint8Array | null> {
    const { database, logger, onFatal, shard } = this.#context.options;
    const { copyCount } = this.#context;
    try {
      return await database.hashTable(table);
    } catch (error) {
      const code = errorCodeOf(error);
      if (code === "BAD_ARGUMENT") return NO_TABLE;
      if (this.#context.stopped || this.#context.copyCount !== copyCount) return null;
      logger.warn("store table not hashed", { shard, reason: messageOf(error) });
      if (code === "STATE_CORRUPT") this.#actions.onCorrupt(messageOf(error));
      if (code === undefined) onFatal(error);
      return null;
    }
  }

  // The leader's part.

  async #checkNext(): Promise<void> {
    const context = this.#context;
    if (this.#isQuiet()) return;
    const tables = await this.#tables();
    const { term } = context.leadership;
    if (tables === null || !context.leads()) return;
    if (this.#term !== term) this.#agreed.clear();
    this.#term = term;
    const isInDoubt = context.problems.has("digest");
    this.#gapMs = this.#gapFor(tables.length);
    const { checkIntervalMs } = context.options.limits;
    const sinceMs = context.options.clock.monotonicMs() - checkIntervalMs;
    const isAwaited = isInDoubt || this.#isComparing;
    const table = isAwaited
      ? this.#rotation.next(tables.filter(isInDoubt ? this.#isDoubtful : this.#isUncompared), EVER)
      : this.#rotation.next(tables, sinceMs);
    if (table !== null) await this.#check(table, tables, term);
    else if (isInDoubt) this.#settleDoubt();
    else if (this.#isComparing) await this.#compareBatches();
    else {
      const untilMs = this.#rotation.oldestMs(tables) + checkIntervalMs;
      this.#quiet = { untilMs, index: context.applied.value };
    }
  }

  readonly #isDoubtful = (table: string): boolean => !this.#agreed.has(table);
  readonly #isUncompared = (table: string): boolean => this.#comparison?.hasTable(table) === false;

  get #isComparing(): boolean {
    return this.#comparison?.isOpen === true && this.#context.leads(this.#comparison.term);
  }

  /** All tables are compared: the latest batches since, too. */
  async #compareBatches(): Promise<void> {
    const comparison = this.#comparison;
    if (comparison === null) return;
    for (const index of this.#digests.book.latest(comparison.fromIndex, BATCHES_COMPARED)) {
      const answers = new Map<NodeId, DigestAnswer>();
      await this.#digests.ask(index, [comparison.node], answers);
      await this.#digests.askVoters(index, answers);
      const { truth, isDisputed } = countDigests(answers, this.#context.options.log.weights());
      const answer = answers.get(comparison.node) ?? "away";
      if (!comparison.batch(index, answer, truth, isDisputed)) return;
    }
    comparison.done();
  }

  /** An idle shard is not even looked at. */
  #isQuiet(): boolean {
    const { applied, options, problems } = this.#context;
    const { untilMs, index } = this.#quiet;
    if (problems.has("digest") || this.#isComparing || applied.value !== index) return false;
    return options.clock.monotonicMs() < untilMs;
  }

  async #check(table: string, tables: readonly string[], term: number): Promise<void> {
    const doubtCount = this.#doubtCount;
    const own = await this.#proposed(table);
    const verdict = own === null ? null : await this.#judge(table, own, term);
    if (verdict === null || verdict.truth === null || verdict.avoid.length > 0) {
      this.#rotation.forget(table);
    }
    if (verdict === null || !this.#context.leads(term)) return;
    if (verdict.truth !== null && this.#doubtCount === doubtCount) {
      this.#agreed.add(table);
      this.#isProgressing = true;
    }
    const isSettled = tables.every((name) => this.#agreed.has(name));
    if (isSettled) this.#agreed.clear();
    const isNews = isSettled || verdict.doubt !== null || verdict.avoid.length > 0;
    if (isNews) this.#announce({ ...verdict, isSettled });
  }

  /** Resolves once the check is applied here; null when it was not. */
  #proposed(table: string): Promise<OwnHash | null> {
    return new Promise((resolve) => {
      const sinceMs = this.#context.options.clock.monotonicMs();
      this.#wanted = { table, sinceMs, resolve };
      this.#actions.wake();
    });
  }

  /** Null when nothing can be said: this node leads no more, or too few could hash. */
  async #judge(table: string, own: OwnHash, term: number): Promise<DigestVerdict | null> {
    const { authority, clock, limits, log, logger, metrics, shard } = this.#context.options;
    const { index } = own;
    const hash = await own.hash;
    if (hash === null) return null;
    const nowMs = clock.monotonicMs();
    const ownMs = nowMs - own.startedMs;
    const deadlineMs = nowMs + Math.max(limits.checkAnswerMs, ownMs * SLOWER_MAX);
    const answers = new Map<NodeId, DigestAnswer>([[authority.node, hash]]);
    await this.#askAll(index, answers, deadlineMs);
    if (!this.#context.leads(term)) return null;
    metrics.count("mycelium_store_table_checks_total");
    const { truth, isDisputed } = countDigests(answers, log.weights());
    this.#noteCompared(table, answers, truth, isDisputed);
    if (truth === null && !isDisputed) return null;
    const nodes = truth === null ? [...answers.keys()] : differing(answers, truth);
    if (nodes.length > 0) {
      metrics.count("mycelium_store_table_mismatches_total");
      const fields = { shard, table, index, nodes: nodes.join(" ") };
      logger.error("store table differs between replicas", fields);
    }
    if (truth !== null) return truthVerdict(index, truth, answers);
    return { ...NO_VERDICT, index, doubt: `no majority of replicas agrees on table ${table}` };
  }

  #noteCompared(
    table: string,
    answers: ReadonlyMap<NodeId, DigestAnswer>,
    truth: Uint8Array | null,
    isDisputed: boolean,
  ): void {
    const comparison = this.#comparison;
    if (comparison === null) return;
    const answer = answers.get(comparison.node) ?? "away";
    comparison.table(table, answer, truth, isDisputed);
    if (comparison.hasTable(table)) this.#isProgressing = true;
  }

  /** Asks until all have answered, or there was time enough. */
  async #askAll(
    index: LogIndex,
    answers: Map<NodeId, DigestAnswer>,
    deadlineMs: number,
  ): Promise<void> {
    const { clock, limits, replicaNodes } = this.#context.options;
    for (let count = 1; !this.#context.stopped; count++) {
      await this.#digests.ask(index, replicaNodes(), answers);
      const said = new Set(answers.values());
      const isComing = said.has("later") || (said.has("away") && count < AWAY_COUNT_MAX);
      if (!isComing || clock.monotonicMs() >= deadlineMs || !this.#context.leads()) return;
      await this.#context.pause(limits.checkPollMs);
    }
  }

  /** Tells all, then does itself what follows. */
  #announce(verdict: DigestVerdict): void {
    const { logger, limits, peers, replicaNodes, shard } = this.#context.options;
    const payload = encodeVerdict(verdict);
    for (const node of replicaNodes()) {
      peers
        .request(node, methodOf(shard, "digest-verdict"), payload, limits.forwardTimeoutMs)
        .catch((error) => {
          logger.warn("store digest verdict not told", { node, reason: messageOf(error) });
        });
    }
    this.#digests.receive(verdict);
  }

  /** In doubt, and nothing is left to check. */
  #settleDoubt(): void {
    this.#agreed.clear();
    this.#announce({ ...NO_VERDICT, index: this.#context.applied.value, isSettled: true });
  }

  async #tables(): Promise<readonly string[] | null> {
    const { database, logger, shard } = this.#context.options;
    try {
      const tables = await database.tables();
      return tables.filter((name) => utf8(name).length <= CHECK_BYTES_MAX);
    } catch (error) {
      if (errorCodeOf(error) === undefined) throw error;
      logger.warn("store tables not listed", { shard, reason: messageOf(error) });
      return null;
    }
  }

  #pauseMs(): number {
    if (!this.#context.problems.has("digest") && !this.#isComparing) return this.#gapMs;
    return this.#isProgressing
      ? 0
      : Math.min(this.#gapMs, this.#context.options.limits.checkDoubtMs);
  }

  #gapFor(tableCount: number): number {
    const { checkIntervalMs, checkGapMinMs, checkGapMaxMs } = this.#context.options.limits;
    const evenMs = checkIntervalMs / Math.max(1, tableCount);
    return Math.max(checkGapMinMs, Math.min(checkGapMaxMs, evenMs));
  }

  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        this.#nap?.timer.cancel();
        this.#nap = null;
        resolve();
      };
      this.#nap = { timer: this.#context.options.clock.after(delayMs, end), end };
    });
  }
}
