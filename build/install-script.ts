/**
 * install.sh as a release directory serves it: with the release's place and public key, and the systemd units, so
 * that the one file needs nothing but the release itself. The checkout's own copy stays a plain script.
 */

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "..");
const UNITS = ["mycelium.service", "mycelium-helper.socket", "mycelium-helper@.service"];
/** What is filled in; each stands alone in install.sh, exactly once. */
const URL_LINE = "\nrelease_url=''\n";
const KEY_LINE = "\nrelease_key=''\n";
const UNIT_BODY = '\n  cat "$source/systemd/$1"\n';
const UNIT_END = "END_OF_UNIT";

export interface InstallScriptOptions {
  /** Where the release directory will be served; empty when that is not known, then `--url` or `--from` say it. */
  readonly url: string;
  /** Public key of SHA256SUMS.sig, PEM. */
  readonly keyPem: string;
}

/** Throws when install.sh has lost a line that is filled in, or a value would not stay what it is inside quotes. */
export function publishedInstallScript({ url, keyPem }: InstallScriptOptions): string {
  let script = readFileSync(join(ROOT, "install.sh"), "utf8");
  script = replaceOnce(script, URL_LINE, `\nrelease_url=${quoted(url.replace(/\/$/, ""))}\n`);
  script = replaceOnce(script, KEY_LINE, `\nrelease_key=${quoted(keyPem.trim())}\n`);
  return replaceOnce(script, UNIT_BODY, `\n  case $1 in\n${UNITS.map(unitCase).join("")}  esac\n`);
}

function unitCase(name: string): string {
  const text = readFileSync(join(ROOT, "systemd", name), "utf8").trimEnd();
  if (text.includes(UNIT_END))
    throw new Error(`Cannot publish install.sh: ${name} has ${UNIT_END}`);
  return `    ${name}) cat <<'${UNIT_END}' ;;\n${text}\n${UNIT_END}\n`;
}

function replaceOnce(script: string, line: string, by: string): string {
  const parts = script.split(line);
  if (parts.length === 2) return parts.join(by);
  throw new Error(
    `Cannot publish install.sh: found ${parts.length - 1} lines "${line.trim()}", needed one`,
  );
}

function quoted(value: string): string {
  if (/['\\\0]/.test(value))
    throw new Error(`Cannot publish install.sh: found a quote in ${value}`);
  return `'${value}'`;
}
