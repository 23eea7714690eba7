/** A Kysely dialect over a libSQL client, as libSQL's own package for Kysely is built: SQLite's, with another driver. */

import type { Client, InArgs, Transaction } from "@libsql/client/http";
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";

class LibsqlConnection implements DatabaseConnection {
  readonly #client: Client;
  transaction: Transaction | null = null;

  constructor(client: Client) {
    this.#client = client;
  }

  async begin(): Promise<void> {
    this.transaction = await this.#client.transaction("write");
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const target = this.transaction ?? this.#client;
    const statement = { sql: query.sql, args: query.parameters as InArgs };
    const result = await target.execute(statement);
    return {
      rows: result.rows as R[],
      numAffectedRows: BigInt(result.rowsAffected),
      ...(result.lastInsertRowid === undefined ? {} : { insertId: result.lastInsertRowid }),
    };
  }

  // biome-ignore lint/correctness/useYield: libSQL over HTTP has no cursors for single statements.
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error("streaming is not part of this dialect");
  }
}

class LibsqlDriver implements Driver {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<LibsqlConnection> {
    return new LibsqlConnection(this.#client);
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await (connection as LibsqlConnection).begin();
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await (connection as LibsqlConnection).transaction?.commit();
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await (connection as LibsqlConnection).transaction?.rollback();
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    (connection as LibsqlConnection).transaction = null;
  }

  async destroy(): Promise<void> {}
}

export function libsqlDialect(client: Client): Dialect {
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new LibsqlDriver(client),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}
