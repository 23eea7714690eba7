/** The one write to the log that is under way: told when it is durable, waiting for room when the disk is full. */

import { errorCodeOf, MyceliumError, messageOf } from "../../base/index.ts";
import type { HostedGroup } from "./hosted-group.ts";
import type { ConsensusOptions } from "./options.ts";

/** A full disk: how often to try again. */
const ROOM_RETRY_MS = 250;

/** What to tell which replica when a write is durable. */
export type Written = readonly { readonly group: HostedGroup; readonly sequence: number }[];

export interface LogWriterActions {
  /** The write is durable, and the next may begin. */
  durable(written: Written): void;
  /** The disk is full for the first time since a write succeeded. */
  full(): void;
  /** The log cannot be written any more. */
  failed(error: unknown): void;
}

export class LogWriter {
  readonly #options: ConsensusOptions;
  readonly #actions: LogWriterActions;
  #isBusy = false;
  #diskIsFull = false;
  #isStopped = false;

  constructor(options: ConsensusOptions, actions: LogWriterActions) {
    this.#options = options;
    this.#actions = actions;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Follows a write that was begun. One at a time. */
  follow(write: Promise<void>, written: Written): void {
    this.#isBusy = true;
    const { clock, logger, metrics } = this.#options;
    const beganMs = clock.monotonicMs();
    write.then(
      () => {
        this.#isBusy = false;
        const seconds = (clock.monotonicMs() - beganMs) / 1e3;
        metrics.observeSeconds("mycelium_raft_persist_seconds", seconds);
        if (this.#diskIsFull) logger.info("log can be written again");
        this.#diskIsFull = false;
        this.#actions.durable(written);
      },
      (error) => {
        if (errorCodeOf(error) === "DISK_FULL") this.#awaitRoom(error, written);
        else this.#actions.failed(error);
      },
    );
  }

  stop(): void {
    this.#isStopped = true;
  }

  /**
   * The log keeps what it was given, and takes it with the next call that finds room. Until then nothing is
   * acknowledged here, and no other write is begun; another leads, if it can.
   */
  #awaitRoom(error: MyceliumError, written: Written): void {
    const { clock, logger, logStore } = this.#options;
    if (this.#isStopped) return;
    if (!this.#diskIsFull) {
      this.#diskIsFull = true;
      logger.warn("log cannot be written, waiting for room", { error: error.message });
      this.#actions.full();
    }
    clock.after(ROOM_RETRY_MS, () => {
      if (!this.#isStopped) this.follow(logStore.append([]), written);
    });
  }
}

/** What is said of a log that cannot be gone on with. */
export function logFailed(cause: MyceliumError): MyceliumError {
  return new MyceliumError(
    cause.code,
    `Cannot go on with consensus on this node: the log failed: ${messageOf(cause)}; check or replace the disk, then start the node again`,
    { cause },
  );
}
