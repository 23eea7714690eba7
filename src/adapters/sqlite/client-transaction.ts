/**
 * A client's transaction inside one that is not its own: BEGIN, COMMIT, ROLLBACK and savepoints become savepoints.
 * Counts the changes that were undone. Source: sqlite.org/lang_transaction.html, lang_savepoint.html,
 * foreignkeys.html (4.2, deferred keys).
 */

import type { DatabaseSync } from "node:sqlite";
import { type Classification, classifyPragma, type SqlError } from "../../domain/sql/index.ts";
import type { Effects, Guard } from "./guard.ts";
import type { Marks } from "./marks.ts";
import { SQLITE_CONSTRAINT_FOREIGNKEY, SQLITE_ERROR, sqlError } from "./sql-error.ts";

interface TransactionParts {
  readonly db: DatabaseSync;
  readonly guard: Guard;
  readonly marks: Marks;
}

export class ClientTransaction {
  readonly #parts: TransactionParts;
  /** Called when a rollback may have brought back an older schema. */
  readonly #onRollback: () => void;
  /** Names of open savepoints, outermost first. */
  #savepoints: string[] = [];
  #isOpen = false;
  /** The transaction was begun by a SAVEPOINT: releasing the first one commits. */
  #isOpenBySavepoint = false;
  #foreignKeys = true;
  #changesAtBegin = 0;
  #undoneChanges = 0;
  /** Null once something was executed since. */
  #knownEffects: Effects | null = null;

  constructor(parts: TransactionParts, onRollback: () => void) {
    this.#parts = parts;
    this.#onRollback = onRollback;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Rows changed in this request, those of rolled back transactions left out. */
  netChanges(): number {
    return this.effects().changes - this.#undoneChanges;
  }

  effects(): Effects {
    this.#knownEffects ??= this.#parts.guard.effects();
    return this.#knownEffects;
  }

  /** Something is executed: what `effects` said is past. */
  touch(): void {
    this.#knownEffects = null;
  }

  /** Undoes what the client left open, and puts the connection's settings back. */
  end(): void {
    if (this.#isOpen) this.rollback();
    if (!this.#foreignKeys) this.#setForeignKeys(true);
  }

  /** Forgets a transaction that SQLite has rolled back whole. */
  forget(): void {
    this.#isOpen = false;
    this.#savepoints = [];
    if (!this.#foreignKeys) this.#setForeignKeys(true);
  }

  /** Transaction control and session settings. Undefined: it is neither; null: done. */
  control(what: Classification): SqlError | null | undefined {
    switch (what.kind) {
      case "begin":
        return this.#begin();
      case "commit":
        return this.#commit();
      case "rollback":
        return this.#rollbackByClient();
      case "savepoint":
        return this.#savepoint(what.name);
      case "release":
        return this.#release(what.name);
      case "rollback_to":
        return this.#rollbackTo(what.name);
      case "empty":
        return null;
      case "pragma":
        return this.#sessionPragma(what.name, what.argument);
      default:
        return undefined;
    }
  }

  #begin(): SqlError | null {
    if (this.#isOpen) {
      return sqlError(SQLITE_ERROR, "cannot start a transaction within a transaction");
    }
    this.#open();
    return null;
  }

  #open(): void {
    this.#parts.marks.transaction.set();
    this.#isOpen = true;
    this.#isOpenBySavepoint = false;
    this.#savepoints = [];
    this.#changesAtBegin = this.effects().changes;
  }

  #commit(): SqlError | null {
    if (!this.#isOpen) return sqlError(SQLITE_ERROR, "cannot commit - no transaction is active");
    if (this.effects().violatesKeys) return foreignKeyError();
    this.#parts.marks.transaction.release();
    this.#close();
    return null;
  }

  #rollbackByClient(): SqlError | null {
    if (!this.#isOpen) return sqlError(SQLITE_ERROR, "cannot rollback - no transaction is active");
    this.rollback();
    return null;
  }

  rollback(): void {
    this.#parts.marks.transaction.undo();
    this.#knownEffects = null;
    this.#undoneChanges += this.effects().changes - this.#changesAtBegin;
    this.#onRollback();
    this.#close();
  }

  #close(): void {
    this.#isOpen = false;
    this.#savepoints = [];
    this.#parts.db.exec("PRAGMA defer_foreign_keys = OFF");
  }

  #savepoint(name: string): SqlError | null {
    if (this.#isOpen) this.#parts.db.exec(`SAVEPOINT ${quoted(name)}`);
    else {
      this.#open();
      this.#isOpenBySavepoint = true;
    }
    this.#savepoints.push(name);
    return null;
  }

  #release(name: string): SqlError | null {
    const depth = this.#savepoints.lastIndexOf(name);
    if (depth < 0) return noSuchSavepoint(name);
    if (depth === 0 && this.#isOpenBySavepoint) return this.#commit();
    this.#parts.db.exec(`RELEASE ${quoted(name)}`);
    this.#savepoints.length = depth;
    return null;
  }

  #rollbackTo(name: string): SqlError | null {
    const depth = this.#savepoints.lastIndexOf(name);
    if (depth < 0) return noSuchSavepoint(name);
    if (depth === 0 && this.#isOpenBySavepoint) this.#parts.marks.transaction.rollbackTo();
    else this.#parts.db.exec(`ROLLBACK TO ${quoted(name)}`);
    this.#knownEffects = null;
    this.#savepoints.length = depth + 1;
    this.#onRollback();
    return null;
  }

  /** As SQLite: foreign_keys cannot be switched inside a transaction, and says nothing about it. */
  #sessionPragma(name: string, argument: string | null): SqlError | null | undefined {
    if (argument === null || classifyPragma(name, argument) !== "session") return undefined;
    const on = /^(1|on|true|yes)$/i.test(argument);
    if (name === "foreign_keys") {
      if (!this.#isOpen) this.#setForeignKeys(on);
    } else this.#parts.db.exec(`PRAGMA defer_foreign_keys = ${on ? "ON" : "OFF"}`);
    return null;
  }

  #setForeignKeys(on: boolean): void {
    this.#parts.guard.setForeignKeys(on);
    this.#foreignKeys = on;
  }
}

export function foreignKeyError(): SqlError {
  return sqlError(SQLITE_CONSTRAINT_FOREIGNKEY, "FOREIGN KEY constraint failed");
}

function noSuchSavepoint(name: string): SqlError {
  return sqlError(SQLITE_ERROR, `no such savepoint: ${name}`);
}

/** A prefix keeps a client's savepoints apart from ours. */
function quoted(name: string): string {
  return `"u_${name.replaceAll('"', '""')}"`;
}
