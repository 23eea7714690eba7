/** One row of the schema: all that is known of a setting. Everything else in this folder is driven by rows. */

import { InvariantError } from "../../base/index.ts";
import type { ValueType } from "./value-type.ts";

export interface Setting<T> {
  /** Upper case with underscores; the environment puts `MYCELIUM_` before it. */
  readonly name: string;
  readonly type: ValueType<NonNullable<T>>;
  /** Text of the default, read like any other value; null when the value may be absent. */
  readonly defaultText: string | null;
  /** The default under PROFILE=wan, where it differs. */
  readonly wanDefaultText: string | null;
  /** What the table shows in place of the default. */
  readonly defaultNote: string | null;
  readonly help: string;
  /** Masked in every output, and not taken from the command line, which other users can read. */
  readonly secret: boolean;
  /** Known and checked, but nothing of this version acts on it. */
  readonly reserved: boolean;
  /** What would be needed for any value but the default, when this version lacks it. */
  readonly unavailable: string | null;
}

export interface SettingOptions {
  readonly wan?: string;
  readonly note?: string;
  readonly secret?: true;
  readonly reserved?: true;
  readonly unavailable?: string;
}

export function setting<T>(
  name: string,
  type: ValueType<T>,
  defaultText: string,
  help: string,
  options: SettingOptions = {},
): Setting<T> {
  for (const text of [defaultText, options.wan ?? defaultText]) {
    if (type.parse(text) === undefined) throw new InvariantError(`${name}: bad default ${text}`);
  }
  return { ...optionalSetting(name, type, "", help, options), defaultText } as Setting<T>;
}

/** A setting that may be absent; `note` says in the table what happens then. */
export function optionalSetting<T>(
  name: string,
  type: ValueType<T>,
  note: string,
  help: string,
  options: Omit<SettingOptions, "note"> & { note?: string } = {},
): Setting<T | null> {
  return {
    name,
    type: type as ValueType<NonNullable<T>>,
    defaultText: null,
    wanDefaultText: options.wan ?? null,
    defaultNote: options.note ?? (note === "" ? null : note),
    help,
    secret: options.secret ?? false,
    reserved: options.reserved ?? false,
    unavailable: options.unavailable ?? null,
  };
}

/** "P2P_PORT" is "--p2p-port" on the command line; null for a secret. */
export function flagOf(setting: Setting<unknown>): string | null {
  return setting.secret ? null : setting.name.toLowerCase().replaceAll("_", "-");
}

export const ENVIRONMENT_PREFIX = "MYCELIUM_";
