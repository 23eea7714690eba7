/** The files of the slots: where they are, and the record read and changed under its lock. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { MyceliumError, messageOf } from "../../base/index.ts";
import { formatSlotRecord, parseSlotRecord, type SlotRecord } from "../../domain/update/index.ts";
import { storing, writeDurably } from "./durable-file.ts";
import { whileLocked } from "./slot-lock.ts";

export class SlotFiles {
  readonly #state: string;

  constructor(stateDirectory: string) {
    this.#state = stateDirectory;
  }

  core(sha256: string): string {
    return join(this.slots, `core-${sha256}`);
  }

  /** A core that is not whole yet: on the same file system as the slots. */
  part(sha256: string): string {
    return join(this.updates, `core-${sha256}.part`);
  }

  get slots(): string {
    return join(this.#state, "slots");
  }

  get updates(): string {
    return join(this.#state, "update");
  }

  /** Throws STATE_CORRUPT. */
  read(): SlotRecord {
    try {
      return parseSlotRecord(readFileSync(this.#record, "utf8"));
    } catch (error) {
      if (error instanceof MyceliumError) throw error;
      const message = `Cannot read the record of the slots: ${messageOf(error)}`;
      throw new MyceliumError("STATE_CORRUPT", message, { cause: error });
    }
  }

  /**
   * One durable step of the record: `step` gets it as it is now and returns what it shall be, or null to leave it.
   * Resolves with what it was before.
   */
  change(step: (record: SlotRecord) => SlotRecord | null): Promise<SlotRecord> {
    return this.locked(async (write) => {
      const record = this.read();
      const next = step(record);
      if (next !== null) await write(next);
      return record;
    });
  }

  /** For changes that also touch files: while `step` runs nobody else changes the record. */
  locked<T>(step: (write: (record: SlotRecord) => Promise<void>) => Promise<T>): Promise<T> {
    return storing("Cannot change the slots", () =>
      whileLocked(join(this.slots, "lock"), () => step((record) => this.#write(record))),
    );
  }

  #write(record: SlotRecord): Promise<void> {
    return writeDurably(this.#record, formatSlotRecord(record));
  }

  get #record(): string {
    return join(this.slots, "record");
  }
}

export function onTrial(): MyceliumError {
  return new MyceliumError(
    "OVERLOADED",
    "Cannot change the slots: the running version is on trial; try again when it is confirmed",
  );
}
