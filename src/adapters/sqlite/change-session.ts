/**
 * What a batch changes, recorded by SQLite's session extension. It looks at every row that is written while it is
 * open: so it ends when its changes are taken, before the engine writes rows of its own.
 */

import type { DatabaseSync, Session } from "node:sqlite";
import { assert } from "../../base/index.ts";

export class ChangeSession {
  #session: Session | null;

  constructor(db: DatabaseSync) {
    this.#session = db.createSession();
  }

  /** What was changed since the start; ends the session. */
  take(): Uint8Array {
    assert(this.#session !== null, "changes are taken once");
    const changeset = this.#session.changeset();
    this.end();
    return changeset;
  }

  /** Any number of times. */
  end(): void {
    this.#session?.close();
    this.#session = null;
  }
}
