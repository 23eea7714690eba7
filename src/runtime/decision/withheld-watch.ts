/**
 * Sees to it that a commit gets into the log of decisions whatever its leader wants: gives what misses there to the
 * other validators, writes what they give, and says who withholds it. Runs beside the rounds of `DecisionLoop`, which a
 * leader that answers late would hold up.
 */

import { errorCodeOf, messageOf, type NetworkId } from "../../base/index.ts";
import type { NodeKey, SignedPart } from "../../domain/identity/index.ts";
import {
  type DecisionLog,
  decodeSaid,
  encodeSaid,
  type Following,
  type Missing,
  openCommit,
  openWithheld,
  signWithheld,
  WithheldCommits,
} from "../../domain/trust/index.ts";
import type { Clock, Logger, Timer } from "../../ports/index.ts";
import type { DecisionStore } from "./decision-store.ts";

/** What it can do about a leader. */
export interface LeaderWatch {
  /** Whom this node follows in the log's group; null while it leads, or has nobody whom it could blame. */
  readonly following: () => Following | null;
  /** Sends to all validators that are linked; what is lost is sent again. */
  readonly tell: (payload: Uint8Array) => void;
  /** Has this node try for another leader than that of `term`. */
  readonly disown: (term: number, reason: string) => void;
}

export interface WithheldWatchOptions {
  readonly network: NetworkId;
  readonly key: NodeKey;
  readonly store: Pick<DecisionStore, "add" | "touch">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly leader: LeaderWatch;
  readonly log: () => DecisionLog;
  readonly onFatal: (error: unknown) => void;
  readonly timing: WithheldTiming;
}

export interface WithheldTiming {
  /** A leader has twice this long to write what it is given. */
  readonly withheldMs: number;
  /** A commit that is not in the log after this is given to others; so often it is given and written again. */
  readonly giveMs: number;
}

export class WithheldWatch {
  readonly #options: WithheldWatchOptions;
  readonly #commits: WithheldCommits;
  /** By commit: when it is given and written again; monotonic. */
  readonly #againAtMs = new Map<string, number>();
  readonly #writing = new Set<string>();
  #timer: Timer | null = null;
  #stopped = false;

  constructor(options: WithheldWatchOptions) {
    this.#options = options;
    this.#commits = new WithheldCommits(options.timing.withheldMs);
  }

  /** Whether a commit of this operation is on its way into the log, as far as is known here. */
  misses(operation: number): boolean {
    return this.#commits.misses(operation);
  }

  /** This node's own, which is about to be written. */
  committing(part: SignedPart): void {
    this.#hold(part);
  }

  /** What another validator sent by `tell`. Throws MALFORMED; what nobody signed is dropped. */
  hear(payload: Uint8Array): void {
    const { clock, log, network } = this.#options;
    const part = decodeSaid(payload);
    const said = openWithheld(part, network);
    if (said === null) this.#hold(part);
    else this.#commits.hear(said, log(), clock.monotonicMs());
    this.look();
  }

  /** After each change of the log, and by itself while anything misses there. */
  look(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#stopped || this.#commits.isEmpty) return;
    const { clock, leader, log, timing } = this.#options;
    const following = leader.following();
    for (const missing of this.#commits.missing(log(), following, clock.monotonicMs())) {
      this.#press(missing, following);
    }
    if (following !== null && this.#commits.isGuilty(log(), following)) {
      leader.disown(following.term, "it keeps a member's vote out of the log");
    }
    if (this.#commits.isEmpty) this.#againAtMs.clear();
    else this.#timer = clock.after(timing.giveMs, () => this.look());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #hold(part: SignedPart): void {
    const { clock, log, network } = this.#options;
    const commit = openCommit(part, network);
    if (commit === null) return;
    this.#commits.hold(commit, log(), clock.monotonicMs());
    this.#timer ??= clock.after(this.#options.timing.giveMs, () => this.look());
  }

  #press(missing: Missing, following: Following | null): void {
    const { clock, leader, timing } = this.#options;
    const { author, commit, heldMs, isWithheld, operation, wantsWrites } = missing;
    const isOwn = author === this.#options.key.nodeId;
    const which = `${operation}/${author}`;
    const nowMs = clock.monotonicMs();
    // Its own is just being written.
    if ((isOwn && heldMs < timing.giveMs) || nowMs < (this.#againAtMs.get(which) ?? 0)) return;
    this.#againAtMs.set(which, nowMs + timing.giveMs);
    if (isOwn) leader.tell(encodeSaid(commit));
    if (isWithheld && following !== null) this.#accuse(missing, following);
    const { store } = this.#options;
    const row = { operation, author, type: "commit", part: commit };
    // Not with the commit: in one bundle a leader would refuse both.
    if (wantsWrites) this.#write("anything", () => store.touch());
    else this.#write(which, () => store.add(row));
  }

  #accuse({ commit, operation }: Missing, { leader, term }: Following): void {
    const { clock, key, log, network } = this.#options;
    const author = key.nodeId;
    const part = signWithheld(key, { network, operation, author, leader, term, commit });
    this.#options.leader.tell(encodeSaid(part));
    const said = openWithheld(part, network);
    if (said !== null) this.#commits.hear(said, log(), clock.monotonicMs());
  }

  /** One of each kind at once: a leader may take long to refuse. */
  #write(what: string, write: () => Promise<void>): void {
    const { logger, onFatal } = this.#options;
    if (this.#writing.has(what)) return;
    this.#writing.add(what);
    write()
      .catch((error: unknown) => {
        if (errorCodeOf(error) === undefined) return onFatal(error);
        logger.debug("a missing vote was not written, will retry", { reason: messageOf(error) });
      })
      .finally(() => this.#writing.delete(what));
  }
}
