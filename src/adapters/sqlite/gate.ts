/**
 * The authorizer of one connection. The engine's own statements pass; a client's are judged by the policy in
 * `domain/sql`. SQLite asks while it compiles a statement, also when it does so again after a schema change.
 */

import { constants, type DatabaseSync } from "node:sqlite";
import { type AuthorizerContext, authorize, type SqlError } from "../../domain/sql/index.ts";
import { SQLITE_AUTH, SQLITE_READONLY } from "./sql-error.ts";

export class Gate {
  /** Null while the engine speaks for itself. */
  #context: AuthorizerContext | null = null;
  #denial: SqlError | null = null;

  constructor(db: DatabaseSync) {
    db.setAuthorizer((code, arg1, arg2, database) => this.#judge(code, arg1, arg2, database));
  }

  /** Runs `work` as a client's. */
  as<T>(context: AuthorizerContext, work: () => T): T {
    this.#context = context;
    this.#denial = null;
    try {
      return work();
    } finally {
      this.#context = null;
    }
  }

  /** Why the last statement was refused; null when it was not. */
  takeDenial(): SqlError | null {
    const denial = this.#denial;
    this.#denial = null;
    return denial;
  }

  #judge(code: number, arg1: string | null, arg2: string | null, database: string | null): number {
    if (this.#context === null) return constants.SQLITE_OK;
    const verdict = authorize({ code, arg1, arg2, database }, this.#context);
    if (verdict === null) return constants.SQLITE_OK;
    this.#denial ??= {
      code: verdict.code,
      extendedCode: verdict.code === "SQLITE_AUTH" ? SQLITE_AUTH : SQLITE_READONLY,
      message: verdict.reason,
    };
    return constants.SQLITE_DENY;
  }
}
