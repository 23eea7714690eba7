/**
 * Keeps the settings that were given to `init` or `join` in config.toml of the state directory, so that the next
 * start needs no flags. Other lines of the file, comments too, stay as they are.
 */

import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { syncPath } from "./sync-path.ts";

/** These choose the file itself. */
const NOT_KEPT = new Set(["state", "config"]);
const HEAD =
  "# Settings of this node; `mycelium config` shows all of them and where each comes from.\n";

/** Returns the file's path when something was kept, else null. Replaces the file atomically and durably. */
export function keepSettings(
  stateDirectory: string,
  flags: Readonly<Record<string, string>>,
): string | null {
  const kept = Object.entries(flags).filter(([flag]) => !NOT_KEPT.has(flag));
  if (kept.length === 0) return null;
  const path = `${stateDirectory}/config.toml`;
  const before = existsSync(path) ? readFileSync(path, "utf8") : HEAD;
  writeFileSync(`${path}.new`, withSettings(before, kept), { mode: 0o600 });
  syncPath(`${path}.new`);
  renameSync(`${path}.new`, path);
  syncPath(stateDirectory);
  return path;
}

/** The file's text with each setting replaced where it stands, or added at the top level's end. */
export function withSettings(
  text: string,
  flags: readonly (readonly [flag: string, value: string])[],
): string {
  const lines = text.replace(/\n*$/, "").split("\n");
  for (const [flag, value] of flags) {
    const name = flag.toUpperCase().replaceAll("-", "_");
    const line = `${name} = ${JSON.stringify(value)}`;
    const at = lines.findIndex((one) => nameOf(one) === name);
    if (at < 0) lines.push(line);
    else lines[at] = line;
  }
  return `${lines.join("\n").replace(/^\n+/, "")}\n`;
}

function nameOf(line: string): string | null {
  const match = /^\s*"?([A-Za-z0-9_-]+)"?\s*=/.exec(line);
  return match?.[1] === undefined ? null : match[1].toUpperCase().replaceAll("-", "_");
}
