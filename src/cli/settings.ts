/** The settings of a command line: its flags, the environment, and the file beside the node's state. */

import { readFileSync } from "node:fs";
import type { ArgsDef } from "citty";
import { MyceliumError, messageOf } from "../base/index.ts";
import {
  type Config,
  type ConfigInput,
  configFileOf,
  loadConfig,
  settingFlags,
} from "../domain/config/index.ts";
import { defaultStateDirectory, stateDirectoryOf } from "./state-directory.ts";
import type { Terminal } from "./terminal.ts";

/** A flag for each setting that is no secret. */
export const SETTING_ARGS: ArgsDef = Object.fromEntries(
  settingFlags().map(({ flag, help }) => [flag, { type: "string", description: help }]),
);

/** What citty made of the arguments. */
type Arguments = Readonly<Record<string, unknown>>;

/** The settings given as flags, by flag name without dashes. */
export function givenSettings(args: Arguments): Record<string, string> {
  const given: Record<string, string> = {};
  for (const { flag } of settingFlags()) {
    const value = args[flag];
    if (typeof value === "string") given[flag] = value;
  }
  return given;
}

/** Throws BAD_CONFIG when the file that was asked for cannot be read. */
export function configInput(flags: Record<string, string>, terminal: Terminal): ConfigInput {
  const { environment } = terminal;
  const stated = flags["state"] || environment["MYCELIUM_STATE"];
  const defaults = stated ? {} : { STATE: defaultStateDirectory(environment) };
  const absolute = { ...flags, state: stateDirectoryOf(flags["state"], terminal) };
  const sources = { flags: stated ? absolute : flags, environment, defaults };
  const { path, required } = configFileOf(sources);
  return { ...sources, file: readConfigFile(path, required) };
}

export function configOf(args: Arguments, terminal: Terminal): Config {
  return loadConfig(configInput(givenSettings(args), terminal));
}

function readConfigFile(path: string, required: boolean): { path: string; text: string } | null {
  try {
    return { path, text: readFileSync(path, "utf8") };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    // Where the state directory is a file, whoever opens that says so.
    if ((code === "ENOENT" || code === "ENOTDIR") && !required) return null;
    const why =
      code === "EACCES"
        ? "this user may not read it; run as its owner (sudo), or choose another directory with --state"
        : `${messageOf(error)}; mend the file or name another with --config`;
    throw new MyceliumError("BAD_CONFIG", `Cannot read the settings in ${path}: ${why}`, {
      cause: error,
    });
  }
}
