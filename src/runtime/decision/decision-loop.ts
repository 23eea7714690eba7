/**
 * Takes part in the network's decisions: reads the log of them in shard `system`, votes by the rule it was given,
 * reveals, and writes deadlines and closes when they are due (the leader at once; anybody, when the leader does not).
 *
 * Each round: read what is new -> commit -> reveal -> end what is due. Rounds do not overlap; one follows each change
 * of the shard, and while anything is open one comes by itself.
 */

import {
  errorCodeOf,
  MyceliumError,
  messageOf,
  type NetworkId,
  type NodeId,
} from "../../base/index.ts";
import type { NodeKey } from "../../domain/identity/index.ts";
import {
  commitmentOf,
  type Decision,
  type DecisionKind,
  DecisionLog,
  type DecisionStatement,
  type DecisionValue,
  type OpenStatement,
  type Participant,
  saltOf,
  signStatement,
} from "../../domain/trust/index.ts";
import type { Clock, Logger, Timer } from "../../ports/index.ts";
import type { DecisionStore } from "./decision-store.ts";
import { VoteBook, type VoteFile } from "./vote-book.ts";
import { type LeaderWatch, type WithheldTiming, WithheldWatch } from "./withheld-watch.ts";

/** Null value: against it, for this reason. */
export interface Vote {
  readonly value: DecisionValue | null;
  readonly reason: string;
}

export interface DecisionLoopOptions {
  readonly network: NetworkId;
  readonly key: NodeKey;
  readonly store: Pick<DecisionStore, "makeTable" | "after" | "add" | "open" | "touch">;
  readonly voteFile: VoteFile;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether this node leads shard `system`. */
  readonly leads: () => boolean;
  /** What it can do about a leader that keeps votes out of the log. */
  readonly leader: LeaderWatch;
  /** Who decides, as this node knows the members: `decisionParticipants`. */
  readonly participants: () => readonly Participant[];
  /** What is wrong with the participants that somebody froze; null when they are the network's. */
  readonly objection: (frozen: readonly Participant[], openedAtMs: number) => string | null;
  /** How this node votes; null while it cannot tell or waits for its operator. */
  readonly vote: (opening: OpenStatement) => Promise<Vote | null>;
  /** Told after each round that read something new. */
  readonly onChange: () => void;
  readonly onFatal: (error: unknown) => void;
  readonly timing?: Partial<DecisionTiming>;
}

export interface DecisionTiming extends WithheldTiming {
  /** Between rounds while something is about to happen. */
  readonly roundMs: number;
  /** Between rounds while votes are waited for, which operators may take days for; what is new is told anyway. */
  readonly waitMs: number;
  /** So long after its opening a decision counts as waited for. */
  readonly busyMs: number;
  /** Reveals wait so long for commits that are still on their way. */
  readonly graceMs: number;
  /** What the leader has not ended by then, others do. */
  readonly overdueMs: number;
  /** Between two attempts to end the same. */
  readonly endAgainMs: number;
  /** An opening whose participants are not the members known here is voted against after this. */
  readonly strangeMs: number;
}

const TIMING: DecisionTiming = {
  roundMs: 500,
  waitMs: 10_000,
  busyMs: 20_000,
  graceMs: 1_000,
  overdueMs: 10_000,
  endAgainMs: 1_000,
  strangeMs: 10_000,
  withheldMs: 10_000,
  giveMs: 400,
};
/** Reveals wait for a commit that is withheld, so that another leader may write it, for this part of their time. */
const AWAITED_SHARE = 0.8;

export class DecisionLoop {
  readonly #options: DecisionLoopOptions;
  readonly #timing: DecisionTiming;
  readonly #book: VoteBook;
  readonly #log: DecisionLog;
  readonly #self: NodeId;
  readonly #withheld: WithheldWatch;
  /** By operation and what would end; monotonic. */
  readonly #endAgainAtMs = new Map<string, number>();
  #seq = 0;
  #round: Promise<void> | null = null;
  #again = false;
  #stopped = false;
  #timer: Timer | null = null;

  /** Throws MALFORMED when the vote file is damaged. */
  constructor(options: DecisionLoopOptions) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.#book = new VoteBook(options.voteFile);
    this.#log = new DecisionLog(options.network);
    this.#self = options.key.nodeId;
    const log = () => this.#log;
    this.#withheld = new WithheldWatch({ ...options, log, timing: this.#timing });
  }

  /** As this node has read it. */
  log(): DecisionLog {
    return this.#log;
  }

  /** What another validator sent through `LeaderWatch.tell`. Throws MALFORMED. */
  hear(payload: Uint8Array): void {
    this.#withheld.hear(payload);
  }

  /** The shard changed, or something a vote depends on. */
  wake(): void {
    if (this.#stopped) return;
    this.#again = true;
    this.#round ??= this.#rounds().finally(() => {
      this.#round = null;
      this.#schedule();
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#withheld.stop();
  }

  /**
   * Opens a decision and resolves with its operation. Throws FORBIDDEN when this node does not decide, OVERLOADED
   * when another was opened at the same moment (try again), and what `SqlService.write` throws.
   */
  async open(
    kind: DecisionKind,
    subject: string,
    times: { readonly commitMs: number; readonly revealMs: number },
  ): Promise<number> {
    const participants = this.#options.participants();
    if (!participants.some(({ node }) => node === this.#self)) {
      throw new MyceliumError(
        "FORBIDDEN",
        "Cannot open a decision: this node does not vote; ask a validator",
      );
    }
    await this.#options.store.makeTable();
    await this.#read("strong");
    const operation = this.#log.lastOperation + 1;
    const head = { network: this.#options.network, operation, author: this.#self } as const;
    const opening = { ...head, type: "open", kind, subject, participants, ...times } as const;
    if (!(await this.#options.store.open(this.#rowOf(opening)))) {
      throw new MyceliumError(
        "OVERLOADED",
        "Cannot open a decision: another was opened at the same moment; try again",
      );
    }
    this.wake();
    return operation;
  }

  async #rounds(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      try {
        if (await this.#read()) {
          this.#withheld.look();
          this.#options.onChange();
        }
        for (const decision of this.#open()) await this.#act(decision);
      } catch (error) {
        if (this.#stopped) return;
        if (errorCodeOf(error) === undefined) return this.#options.onFatal(error);
        this.#options.logger.debug("decision round failed, will retry", {
          reason: messageOf(error),
        });
      }
    }
  }

  #schedule(): void {
    this.#timer?.cancel();
    if (this.#stopped) return;
    if (this.#again) this.wake();
    else if (this.#open().length > 0) {
      const { roundMs, waitMs } = this.#timing;
      const delayMs = this.#open().some((one) => this.#isBusy(one)) ? roundMs : waitMs;
      this.#timer = this.#options.clock.after(delayMs, () => this.wake());
    }
  }

  #isBusy({ openedAtMs, phase }: Decision): boolean {
    return phase === "reveal" || this.#options.clock.wallMs() < openedAtMs + this.#timing.busyMs;
  }

  #open(): readonly Decision[] {
    return this.#log.decisions().filter(({ outcome }) => outcome === null);
  }

  /** True when there was something new. */
  async #read(level: "local" | "strong" = "local"): Promise<boolean> {
    let isNew = false;
    for (;;) {
      const page = (await this.#options.store.after(this.#seq, level)) ?? [];
      for (const logged of page) {
        // Rounds and `open` may read the same page; each row counts once.
        if (logged.seq <= this.#seq) continue;
        this.#seq = logged.seq;
        this.#log.apply(logged);
        isNew = true;
      }
      if (page.length === 0) return isNew;
    }
  }

  async #act(decision: Decision): Promise<void> {
    if (decision.isParticipant(this.#self)) {
      if (decision.takesCommits && !decision.hasCommitted(this.#self)) await this.#commit(decision);
      else if (this.#maySpeak(decision)) await this.#reveal(decision);
    }
    await this.#end(decision);
  }

  async #commit(decision: Decision): Promise<void> {
    const { operation } = decision;
    let vote: Vote | null = this.#book.vote(operation) ?? null;
    if (vote === null) {
      vote = await this.#decide(decision);
      if (vote === null) return;
      this.#book.record({ operation, ...vote });
    }
    const head = this.#head(decision);
    const commitment = commitmentOf({ ...head, value: vote.value, salt: this.#salt(decision) });
    const row = this.#rowOf({ ...head, type: "commit", commitment });
    this.#withheld.committing(row.part);
    await this.#options.store.add(row);
  }

  /** Whoever froze other participants than the members may have left out those who would be against. */
  async #decide(decision: Decision): Promise<Vote | null> {
    const { opening, openedAtMs } = decision;
    const objection = this.#options.objection(opening.participants, openedAtMs);
    if (objection !== null) {
      // This node's own list may be behind.
      if (this.#options.clock.wallMs() < openedAtMs + this.#timing.strangeMs) return null;
      return { value: null, reason: objection };
    }
    return this.#options.vote(opening);
  }

  /** Reveals are open, and nobody who is about to commit is shut out by ours. */
  #maySpeak(decision: Decision): boolean {
    const openedAtMs = decision.revealsOpenedAtMs;
    if (openedAtMs === null || !decision.hasCommitted(this.#self)) return false;
    if (decision.hasRevealed(this.#self)) return false;
    if (decision.allCommitted || !decision.takesCommits) return true;
    const { graceMs } = this.#timing;
    const isAwaited = this.#withheld.misses(decision.operation);
    const awaitedMs = isAwaited ? AWAITED_SHARE * decision.opening.revealMs : 0;
    return this.#options.clock.wallMs() >= openedAtMs + Math.max(graceMs, awaitedMs);
  }

  async #reveal(decision: Decision): Promise<void> {
    const vote = this.#book.vote(decision.operation);
    if (vote === undefined) return;
    const { value, reason } = vote;
    await this.#add({
      ...this.#head(decision),
      type: "reveal",
      value,
      reason,
      salt: this.#salt(decision),
    });
  }

  async #end(decision: Decision): Promise<void> {
    const { clock, leads } = this.#options;
    const nowMs = clock.wallMs() - (leads() ? 0 : this.#timing.overdueMs);
    const type = this.#dueEnd(decision, nowMs);
    if (type === null || !decision.isParticipant(this.#self)) return;
    // By the log's time it may still be too early: not again at once.
    const attempt = `${type} ${decision.operation}`;
    if (clock.monotonicMs() < (this.#endAgainAtMs.get(attempt) ?? 0)) return;
    this.#endAgainAtMs.set(attempt, clock.monotonicMs() + this.#timing.endAgainMs);
    await this.#add({ ...this.#head(decision), type });
  }

  #dueEnd({ deadlineAtMs, closeAtMs, openedAtMs }: Decision, nowMs: number) {
    if (deadlineAtMs !== null) return nowMs >= deadlineAtMs ? "deadline" : null;
    if (closeAtMs === null) return null;
    return nowMs >= Math.max(closeAtMs, openedAtMs) ? "close" : null;
  }

  #head(decision: Decision) {
    const { network, operation } = decision.opening;
    return { network, operation, author: this.#self } as const;
  }

  #salt({ operation }: Decision): Uint8Array {
    return saltOf(this.#options.key, this.#options.network, operation);
  }

  async #add(said: DecisionStatement): Promise<void> {
    await this.#options.store.add(this.#rowOf(said));
  }

  #rowOf(said: DecisionStatement) {
    const part = signStatement(this.#options.key, said);
    return { operation: said.operation, author: this.#self, type: said.type, part };
  }
}
