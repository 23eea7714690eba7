/**
 * A launcher with cores that are small shell scripts, in a directory of its own: state, cache, shipped file. The record
 * is read and written by the core's own code, so that each test also shows that both sides agree about it.
 */

import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { packShipped } from "../../../build/launcher.ts";
import { buildLauncher, hostTarget } from "../../../build/native.ts";
import {
  formatSlotRecord,
  parseSlotRecord,
  type SlotRecord,
} from "../../../src/domain/update/index.ts";

export const REPOSITORY = resolve(import.meta.dir, "../../..");
const RUN_TIMEOUT_MS = 30_000;
/** For hostLauncher(). */
export const BUILD_TIMEOUT_MS = 120_000;

export interface Ending {
  readonly status: number | null;
  readonly out: string;
  readonly error: string;
}

export interface FakeCore {
  readonly version: string;
  /** Shell, after the line that says which core runs. */
  readonly body?: string;
  readonly stateFormat?: number;
}

/** The launcher of this machine, compiled when it is missing or older than its sources. */
export async function hostLauncher(): Promise<string> {
  const file = join(REPOSITORY, `dist/native-${hostTarget()}/launcher`);
  const directory = join(REPOSITORY, "native/launcher");
  const newest = Math.max(
    ...readdirSync(directory).map((name) => statSync(join(directory, name)).mtimeMs),
  );
  if (!existsSync(file) || statSync(file).mtimeMs < newest) await buildLauncher(file);
  return file;
}

/** A script that says which core it is, in which file, and with which words it was started. */
export function coreBytes({ version, body = "" }: FakeCore): Uint8Array {
  return Buffer.from(`#!/bin/sh\necho "core ${version} \${0##*/} $*"\n${body}\n`);
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export function coreSha256(core: FakeCore): string {
  return sha256Of(coreBytes(core));
}

export class LauncherLab {
  readonly directory = mkdtempSync(join(tmpdir(), "mycelium-launcher-"));
  readonly state = join(this.directory, "state");
  readonly cache = join(this.directory, "cache");
  readonly program = join(this.directory, "mycelium");
  readonly #launcher: Uint8Array;

  constructor(launcher: string) {
    this.#launcher = readFileSync(launcher);
    mkdirSync(this.state);
  }

  get environment(): Record<string, string> {
    // A supervisor: what a guardian does without one is tested by itself.
    return {
      PATH: "/usr/bin:/bin",
      XDG_CACHE_HOME: this.cache,
      MYCELIUM_STATE: this.state,
      INVOCATION_ID: "a-test",
    };
  }

  /** Installs a shipped file that carries this core. */
  ship(core: FakeCore): void {
    this.shipBytes(coreBytes(core), core);
  }

  shipBytes(bytes: Uint8Array, { version, stateFormat = 1 }: FakeCore): void {
    const shipped = packShipped({
      launcher: this.#launcher,
      core: bytes,
      machine: hostTarget(),
      version,
      stateFormat,
      compression: "quick",
    });
    rmSync(this.program, { force: true });
    writeFileSync(this.program, shipped, { mode: 0o755 });
  }

  async run(words: readonly string[] = ["run"], env: Record<string, string> = {}): Promise<Ending> {
    rmSync(this.log, { force: true });
    const child = Bun.spawn([this.program, ...words], {
      cwd: this.directory,
      env: { ...this.environment, ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: Bun.file(this.log),
      timeout: RUN_TIMEOUT_MS,
    });
    const out = (await new Response(child.stdout).text()).trimEnd();
    const status = await child.exited;
    // A file: a guardian holds the standard error until the end of its trial, which a pipe would wait for.
    return { status, out, error: readFileSync(this.log, "utf8").trimEnd() };
  }

  /** What the last run said on its standard error. */
  get log(): string {
    return join(this.directory, "error.log");
  }

  get record(): SlotRecord {
    return parseSlotRecord(readFileSync(this.slot("record"), "utf8"));
  }

  change(changes: Partial<SlotRecord>): void {
    writeFileSync(this.slot("record"), formatSlotRecord({ ...this.record, ...changes }));
  }

  slot(name: string): string {
    return join(this.state, "slots", name);
  }

  core(core: FakeCore): string {
    return this.slot(`core-${coreSha256(core)}`);
  }

  get cores(): string[] {
    return readdirSync(join(this.state, "slots"))
      .filter((name) => name.startsWith("core-"))
      .sort();
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
