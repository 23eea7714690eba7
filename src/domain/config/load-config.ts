/**
 * The configuration from its sources: flags over environment over file over defaults (PROFILE=wan has its own).
 * All that is wrong is reported at once, in one BAD_CONFIG error.
 */

import { MyceliumError, messageOf } from "../../base/index.ts";
import { crossProblems, gossipPortOf } from "./cross-checks.ts";
import { nearestName } from "./nearest-name.ts";
import { ENVIRONMENT_PREFIX, flagOf, type Setting } from "./setting.ts";
import { SETTINGS } from "./settings.ts";
import { VALUE_LENGTH_MAX } from "./value-type.ts";

/** No settings: what the launcher (native/launcher) sets for us, and what it reads itself. */
const LAUNCHER_VARIABLES = new Set(["MYCELIUM_LAUNCHER", "MYCELIUM_CONFIRM_TIMEOUT"]);

type Key = keyof typeof SETTINGS;
type Values = {
  readonly [K in Key]: (typeof SETTINGS)[K] extends Setting<infer T> ? T : never;
};

/** Every setting's value, checked and frozen. */
export interface Config extends Omit<Values, "gossipPort"> {
  readonly gossipPort: number;
  /** False when GOSSIP_PORT was left out: if the port is taken, any other will do, because it is announced. */
  readonly gossipPortIsSet: boolean;
  /** Twice the least; elections wait a random time between the two. */
  readonly electionTimeoutMaxMs: number;
}

export type ConfigSource = "flag" | "environment" | "file" | "default";

export interface ConfigInput {
  /** By name without dashes ("p2p-port"); what is undefined was not given. */
  readonly flags?: Readonly<Record<string, unknown>>;
  /** The whole environment: only `MYCELIUM_*` is looked at, and an empty value counts as not given. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly file?: { readonly path: string; readonly text: string } | null;
  /** Defaults that the machine decides, by setting name: `{ STATE: "/home/ann/.local/state/mycelium" }`. */
  readonly defaults?: Readonly<Record<string, string>>;
}

/** One line of `mycelium config`. */
export interface ConfigEntry {
  readonly name: string;
  /** As text, secrets masked; null when absent. */
  readonly value: string | null;
  readonly source: ConfigSource;
  /** Nothing of this version acts on it. */
  readonly reserved: boolean;
  readonly help: string;
}

const FILE_SIZE_MAX = 1_048_576;
const PROBLEMS_SHOWN_MAX = 20;
export const MASK = "(secret)";

const rows = Object.entries(SETTINGS) as unknown as readonly (readonly [Key, Setting<unknown>])[];
const rowByName = new Map(rows.map(([key, row]) => [row.name, { key, row }]));

interface Given {
  readonly raw: unknown;
  readonly source: ConfigSource;
  /** How the source calls it: "--port", "MYCELIUM_PORT", "PORT in /etc/mycelium.toml". */
  readonly where: string;
}

interface Resolved {
  readonly values: Values;
  readonly sources: ReadonlyMap<Key, ConfigSource>;
}

/** Throws BAD_CONFIG that names every setting, value, and what is allowed. */
export function loadConfig(input: ConfigInput): Config {
  const { values } = resolve(input);
  return Object.freeze({
    ...values,
    gossipPort: gossipPortOf(values),
    gossipPortIsSet: values.gossipPort !== null,
    electionTimeoutMaxMs: values.electionTimeoutMinMs * 2,
  });
}

/** What `mycelium config` shows. Throws BAD_CONFIG as `loadConfig` does. */
export function explainConfig(input: ConfigInput): readonly ConfigEntry[] {
  const resolved = resolve(input);
  const { sources } = resolved;
  const values = { ...resolved.values, gossipPort: gossipPortOf(resolved.values) };
  return rows.map(([key, row]) => ({
    name: row.name,
    value: shown(row, values[key]),
    source: sources.get(key) ?? "default",
    reserved: row.reserved,
    help: row.help,
  }));
}

/**
 * The file to read before `loadConfig`: the one named by flag or environment, which must exist, else `config.toml`
 * in the state directory, which may be missing.
 */
export function configFileOf(input: Omit<ConfigInput, "file">): {
  readonly path: string;
  readonly required: boolean;
} {
  const given = new Map<Key, Given>();
  readEnvironment(input.environment ?? {}, given, []);
  readFlags(input.flags ?? {}, given, []);
  const named = given.get("configFile")?.raw;
  if (typeof named === "string") return { path: named, required: true };
  const state =
    given.get("state")?.raw ?? input.defaults?.[SETTINGS.state.name] ?? SETTINGS.state.defaultText;
  return { path: `${String(state)}/config.toml`, required: false };
}

function resolve(input: ConfigInput): Resolved {
  const problems: string[] = [];
  const given = new Map<Key, Given>();
  if (input.file) readFile(input.file, given, problems);
  readEnvironment(input.environment ?? {}, given, problems);
  readFlags(input.flags ?? {}, given, problems);
  const wan = isWan(given);
  const values: Record<string, unknown> = {};
  const sources = new Map<Key, ConfigSource>();
  for (const [key, row] of rows) {
    const one = given.get(key);
    sources.set(key, one?.source ?? "default");
    values[key] = one ? parseGiven(row, one, problems) : defaultOf(row, wan, input.defaults ?? {});
  }
  if (problems.length === 0) problems.push(...crossProblems(values as Values));
  if (problems.length > 0) throw badConfig(problems);
  return { values: values as Values, sources };
}

function isWan(given: ReadonlyMap<Key, Given>): boolean {
  const profile = given.get("profile")?.raw;
  return typeof profile === "string" && profile.trim().toLowerCase() === "wan";
}

function defaultOf(
  row: Setting<unknown>,
  wan: boolean,
  machine: Readonly<Record<string, string>>,
): unknown {
  const text = machine[row.name] ?? (wan ? row.wanDefaultText : null) ?? row.defaultText;
  return text === null ? null : (row.type.parse(text) ?? null);
}

function readFile(
  file: { readonly path: string; readonly text: string },
  given: Map<Key, Given>,
  problems: string[],
): void {
  for (const [name, raw] of Object.entries(parseToml(file))) {
    const where = `${name} in ${file.path}`;
    const canonical = canonicalName(name);
    if (canonical === "CONFIG") problems.push(`${where}: a file cannot name another file`);
    else take(canonical, { raw, source: "file", where }, given, problems);
  }
}

function parseToml(file: { readonly path: string; readonly text: string }): object {
  if (file.text.length > FILE_SIZE_MAX) {
    throw badConfig([`${file.path}: found over ${FILE_SIZE_MAX} characters, which is no settings`]);
  }
  try {
    return Bun.TOML.parse(file.text);
  } catch (error) {
    throw badConfig([`${file.path} is not TOML: ${messageOf(error)}`]);
  }
}

function readEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  given: Map<Key, Given>,
  problems: string[],
): void {
  for (const [variable, raw] of Object.entries(environment)) {
    if (!variable.startsWith(ENVIRONMENT_PREFIX) || raw === undefined || raw === "") continue;
    if (LAUNCHER_VARIABLES.has(variable)) continue;
    const one: Given = { raw, source: "environment", where: variable };
    take(variable.slice(ENVIRONMENT_PREFIX.length), one, given, problems);
  }
}

function readFlags(
  flags: Readonly<Record<string, unknown>>,
  given: Map<Key, Given>,
  problems: string[],
): void {
  for (const [flag, raw] of Object.entries(flags)) {
    if (raw === undefined) continue;
    const canonical = canonicalName(flag);
    const one: Given = { raw, source: "flag", where: `--${flag}` };
    if (rowByName.get(canonical)?.row.secret) {
      problems.push(
        `--${flag}: a secret cannot be an argument, which others can read; ` +
          `use ${ENVIRONMENT_PREFIX}${canonical} or the file`,
      );
    } else take(canonical, one, given, problems);
  }
}

/** "p2p-port", "p2pPort" and "P2P_PORT" are "P2P_PORT". */
function canonicalName(name: string): string {
  return name
    .replace(/([a-z]\d*)([A-Z])/g, "$1_$2")
    .replaceAll("-", "_")
    .toUpperCase();
}

function take(name: string, one: Given, given: Map<Key, Given>, problems: string[]): void {
  const known = rowByName.get(name);
  if (known !== undefined) {
    given.set(known.key, one);
    return;
  }
  const near = nearestName(name, [...rowByName.keys()]);
  const hint = near === null ? "" : `; did you mean ${spelled(near, one.source)}?`;
  problems.push(`${one.where}: there is no such setting${hint}`);
}

function spelled(name: string, source: ConfigSource): string {
  if (source === "environment") return ENVIRONMENT_PREFIX + name;
  const row = rowByName.get(name)?.row;
  return source === "flag" && row !== undefined ? `--${flagOf(row) ?? name}` : name;
}

function parseGiven(row: Setting<unknown>, given: Given, problems: string[]): unknown {
  const text = textOf(given.raw, row.type.isList);
  const value =
    text === null || text.length > VALUE_LENGTH_MAX ? undefined : row.type.parse(text.trim());
  if (value === undefined) {
    const found = row.secret ? MASK : (text ?? typeof given.raw).slice(0, 100);
    problems.push(`${given.where}: found "${found}", needed ${row.type.kind}: ${row.type.allowed}`);
    return null;
  }
  if (row.unavailable !== null && shown(row, value) !== defaultShown(row)) {
    const found = row.secret ? MASK : row.type.format(value);
    const needed =
      row.defaultText === null ? "needed: leave it out" : `needed ${defaultShown(row)}`;
    problems.push(
      `${given.where}: found "${found}", but ${row.unavailable} is not available in this version; ${needed}`,
    );
  }
  return value;
}

function textOf(raw: unknown, isList: boolean): string | null {
  if (typeof raw === "string") return raw;
  if (typeof raw === "number" || typeof raw === "bigint" || typeof raw === "boolean") {
    return String(raw);
  }
  if (!isList || !Array.isArray(raw)) return null;
  const plain = raw.every((item) => typeof item === "string" && !item.includes(","));
  return plain ? raw.join(",") : null;
}

function shown(row: Setting<unknown>, value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return row.secret ? MASK : row.type.format(value as NonNullable<unknown>);
}

function defaultShown(row: Setting<unknown>): string | null {
  return row.defaultText === null ? null : shown(row, row.type.parse(row.defaultText));
}

function badConfig(problems: readonly string[]): MyceliumError {
  const more = problems.length - PROBLEMS_SHOWN_MAX;
  const lines = [
    ...problems.slice(0, PROBLEMS_SHOWN_MAX),
    ...(more > 0 ? [`and ${more} more`] : []),
  ];
  const text = lines.length === 1 ? ` ${lines[0]}` : lines.map((line) => `\n  ${line}`).join("");
  return new MyceliumError(
    "BAD_CONFIG",
    `Cannot use the configuration:${text}\nSee \`mycelium config --help\` for all settings.`,
  );
}
