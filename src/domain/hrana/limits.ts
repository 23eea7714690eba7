/** Limits on what a client may put into one Hrana body. Bodies themselves are bounded by the gateway. */

/** Stream requests in one pipeline. */
export const REQUEST_COUNT_MAX = 4_096;
/** Steps of one batch. */
export const STEP_COUNT_MAX = 65_536;
/** Arguments of one statement: SQLite's SQLITE_MAX_VARIABLE_NUMBER. */
export const ARG_COUNT_MAX = 32_766;
/** Letters of an argument's name. */
export const ARG_NAME_LENGTH_MAX = 256;
/** How deep conditions may nest. */
export const CONDITION_DEPTH_MAX = 64;
/** Conditions in one `and` or `or`. */
export const CONDITION_COUNT_MAX = 1_024;
/** Letters of one SQL text: SQLite's SQLITE_MAX_SQL_LENGTH is above it. */
export const SQL_LENGTH_MAX = 1_000_000;
/** Letters of a baton. */
export const BATON_LENGTH_MAX = 128;
