/**
 * Every SQL function of SQLite 3.53 by what it rests on. A write is executed by every replica, so it may only use
 * what gives the same answer everywhere. A test compares this with what the linked SQLite really has.
 */

/**
 * `pure`: rests on its arguments (those of ALTER TABLE among them, which SQLite keeps to itself). `pinned`: time and randomness, fixed per batch by the native guard. `request`:
 * counts within one request. `inexact`: floating point whose last bits differ between processors and C libraries.
 * `environment`: tells about this build or file. `forbidden`: never, not even in reads.
 */
export type FunctionClass = "pure" | "pinned" | "request" | "inexact" | "environment" | "forbidden";

const NAMES: Readonly<Record<FunctionClass, string>> = {
  pure: `-> ->> abs avg bm25 ceil ceiling char coalesce concat concat_ws count cume_dist dense_rank first_value floor
    format fts5 fts5_get_locale fts5_insttoken fts5_locale glob group_concat hex highlight if ifnull iif instr json
    json_array json_array_insert json_array_length json_each json_error_position json_extract json_group_array
    json_group_object json_insert json_object json_patch json_pretty json_quote json_remove json_replace json_set
    json_type json_valid jsonb jsonb_array jsonb_array_insert jsonb_extract jsonb_group_array jsonb_group_object
    jsonb_insert jsonb_object jsonb_patch jsonb_remove jsonb_replace jsonb_set lag last_value lead length like
    likelihood likely lower ltrim match matchinfo max min mod nth_value ntile nullif octet_length offsets optimize
    percent_rank pi printf quote rank replace round row_number rtreecheck rtreedepth rtreenode rtrim sign snippet
    sqlite_add_constraint sqlite_drop_column sqlite_drop_constraint sqlite_fail sqlite_find_constraint
    sqlite_rename_column sqlite_rename_quotefix sqlite_rename_table sqlite_rename_test sqrt string_agg substr substring subtype sum total trim trunc typeof unhex unicode unistr unistr_quote unlikely
    upper zeroblob`,
  pinned: `current_date current_time current_timestamp date datetime julianday random randomblob strftime time
    timediff unixepoch`,
  request: "changes last_insert_rowid total_changes",
  inexact: `acos acosh asin asinh atan atan2 atanh cos cosh degrees exp geopoly_area geopoly_blob geopoly_ccw
    geopoly_contains_point geopoly_group_bbox geopoly_bbox geopoly_json geopoly_overlap geopoly_regular geopoly_svg
    geopoly_within geopoly_xform ln log log10 log2 median percentile percentile_cont percentile_disc pow power
    radians sin sinh tan tanh`,
  environment: `fts5_source_id sqlite_compileoption_get sqlite_compileoption_used sqlite_source_id sqlite_version`,
  forbidden: `fts3_tokenizer geopoly_debug load_extension mycelium_deadline mycelium_effects
    mycelium_check_pages mycelium_foreign_keys mycelium_limits mycelium_pin mycelium_request mycelium_resume mycelium_unpin
    sqlite_log`,
};

const CLASSES: ReadonlyMap<string, FunctionClass> = new Map(
  (Object.keys(NAMES) as FunctionClass[]).flatMap((kind) =>
    NAMES[kind].split(/\s+/).map((name) => [name, kind] as const),
  ),
);

/** Undefined for a function nobody has classified: it is refused in writes. */
export function classifyFunction(name: string): FunctionClass | undefined {
  return CLASSES.get(name.toLowerCase());
}

/**
 * `stored`: tables may be made with it. `readable`: its tables may be read in SELECT only. `forbidden`: never.
 */
export type ModuleClass = "stored" | "readable" | "forbidden";

const MODULES: ReadonlyMap<string, ModuleClass> = new Map([
  ["fts3", "stored"],
  ["fts4", "stored"],
  ["fts5", "stored"],
  ["fts4aux", "stored"],
  ["fts5vocab", "stored"],
  ["rtree", "stored"],
  ["rtree_i32", "stored"],
  ["json_each", "stored"],
  ["json_tree", "stored"],
  ["jsonb_each", "stored"],
  ["jsonb_tree", "stored"],
  ["dbstat", "readable"],
  // Its shapes rest on sines and products whose last bits differ between processors.
  ["geopoly", "forbidden"],
  ["fts3tokenize", "forbidden"],
]);

/** Undefined for an unknown module: it is refused. Table-valued PRAGMAs are readable. */
export function classifyModule(name: string): ModuleClass | undefined {
  const lower = name.toLowerCase();
  return lower.startsWith("pragma_") ? "readable" : MODULES.get(lower);
}
