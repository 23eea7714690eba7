/** The engine's own savepoints, prepared: around a request, around a statement, around a client's transaction. */

import type { DatabaseSync } from "node:sqlite";
import { prepareAction } from "./action.ts";

export class Mark {
  readonly #set: () => void;
  readonly #release: () => void;
  readonly #rollback: () => void;

  constructor(db: DatabaseSync, name: string) {
    this.#set = prepareAction(db, `SAVEPOINT ${name}`);
    this.#release = prepareAction(db, `RELEASE ${name}`);
    this.#rollback = prepareAction(db, `ROLLBACK TO ${name}`);
  }

  set(): void {
    this.#set();
  }

  release(): void {
    this.#release();
  }

  /** Undoes what came since `set`, and releases. */
  undo(): void {
    this.#rollback();
    this.#release();
  }

  /** Undoes what came since `set`, and stays. */
  rollbackTo(): void {
    this.#rollback();
  }
}

export class Marks {
  readonly request: Mark;
  readonly statement: Mark;
  readonly transaction: Mark;

  constructor(db: DatabaseSync) {
    this.request = new Mark(db, "r");
    this.statement = new Mark(db, "s");
    this.transaction = new Mark(db, "t");
  }
}
