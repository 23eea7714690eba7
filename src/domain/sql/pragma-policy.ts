/** The PRAGMAs a client may use, and how. All others are refused. */

/**
 * How a PRAGMA acts when it has a value. `query`: the value only says what to show. `refused`: it cannot be set.
 * `schema`: it changes the database, on every replica. `session`: it lasts for one request.
 */
export type PragmaSetting = "query" | "refused" | "schema" | "session";

const SETTINGS: Readonly<Record<PragmaSetting, string>> = {
  query: `collation_list compile_options database_list foreign_key_check foreign_key_list function_list index_info
    index_list index_xinfo integrity_check module_list pragma_list quick_check table_info table_list table_xinfo`,
  refused: `auto_vacuum data_version encoding freelist_count journal_mode max_page_count page_count page_size
    recursive_triggers schema_version synchronous`,
  schema: "application_id user_version optimize",
  session: "defer_foreign_keys foreign_keys",
};

const PRAGMAS: ReadonlyMap<string, PragmaSetting> = new Map(
  (Object.keys(SETTINGS) as PragmaSetting[]).flatMap((setting) =>
    SETTINGS[setting].split(/\s+/).map((name) => [name, setting] as const),
  ),
);

/**
 * What a PRAGMA does: `read` shows something, `session` and `schema` set something; else the reason why not.
 * `argument` is null when it stands alone.
 */
export function classifyPragma(
  name: string,
  argument: string | null,
): "read" | "session" | "schema" | { readonly refused: string } {
  const setting = PRAGMAS.get(name);
  if (setting === undefined) return { refused: `PRAGMA ${name} is not available here` };
  if (name === "optimize") return "schema";
  if (argument === null || setting === "query") return "read";
  if (setting !== "refused") return setting;
  // Many programs ask for what is so already.
  if (name === "journal_mode" && argument.toLowerCase() === "wal") return "read";
  return { refused: `PRAGMA ${name} cannot be set: every replica keeps the same value` };
}
