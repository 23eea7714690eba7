export type { ResultFormat } from "./format-result.ts";
export { runSqlShell, type SqlShellOptions } from "./run-sql-shell.ts";
export type { HranaFetch } from "./session.ts";
