/**
 * Makes a release directory, which any static web server serves: install.sh, the executables of both architectures, a
 * signed list of sums, a bill of materials and a TUF repository. See HELP, and README, "Releasing".
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { VERSION } from "../src/domain/api/index.ts";
import {
  ARCHITECTURES,
  type Architecture,
  CHANNELS,
  type ChunkIndex,
  decodeChunkIndex,
} from "../src/domain/update/index.ts";
import { KeyDirectory, makeKeys } from "./publish/keys.ts";
import {
  addRelease,
  newestIndex,
  promote,
  refreshAll,
  refreshTimestamp,
  rollBack,
  rotateRoot,
} from "./publish/operations.ts";
import { requireOwnPackages } from "./publish/own-packages.ts";
import { changedFiles, commitTimeMs } from "./publish/release-facts.ts";
import { report } from "./publish/report.ts";
import { serveDirectory } from "./publish/serve.ts";
import { verifyBuild } from "./publish/verify.ts";

const HELP = `Usage: build/release [--out DIR] [flags]     (bun run release -- ... is the same)

Adds this checkout's version to the release directory DIR, and moves a channel to it.
  --out DIR            the release directory (default: dist/release)
  --keys DIR           the publisher's keys, or variables MYCELIUM_KEY_ROOT_1 ... (default: test keys in .cache)
  --channel NAME       stable or edge (default: stable)
  --version V          instead of package.json's
  --notes LINE         what is new, for people
  --url URL            where DIR will be served: goes into its install.sh
  --arch x64|arm64     this one only; may be given twice (default: both)
  --quick              compress little, and take the C compiler that is here: for trials
  --core ARCH=FILE     release this core as it is: for trials; may be given twice
  --untried            do not install this checkout on Debian machines of each architecture first (bun run test:rootfs,
                       as root); with test keys, --quick and --core it never is
  --report             say what fills the files, and what an update from the version before costs

Other actions, each with --out and --keys:
  --make-keys DIR      make all keys in a new directory
  --refresh-timestamp  sign a new timestamp, good for 7 days: the daily job, needs the timestamp key alone
  --refresh            sign targets and snapshot anew, for a year
  --promote V          let the channel name a newer version that is there (from edge to stable)
  --rollback V         let the channel name an older version again
  --rotate-root        a new root with the keys of --next-keys DIR, signed by the old and the new root keys
  --verify             build twice (with --out: compare with what is published there) and compare all bytes
  --serve DIR          serve DIR on loopback, with ranges; --port N (default: 8000)
`;

const ROOT = resolve(import.meta.dir, "..");
const TEST_KEYS = join(ROOT, ".cache", "release-test-keys");

const values = orExit(parseFlags);
const out = resolve(values.out ?? join(ROOT, "dist", "release"));
const nowMs = Date.now();

async function main(): Promise<void> {
  if (values.help) return console.log(HELP.trimEnd());
  if (values["make-keys"] !== undefined) return makeAllKeys(resolve(values["make-keys"]));
  if (values.serve !== undefined) return serve(resolve(values.serve));
  if (values.verify) return verify();
  const keys = keyDirectory();
  const to = (version: string) => ({ out, keys, nowMs, version, channel: channel() });
  if (values["refresh-timestamp"]) await refreshTimestamp({ out, keys, nowMs });
  else if (values.refresh) await refreshAll({ out, keys, nowMs });
  else if (values["rotate-root"]) await rotateRoot({ out, keys, nextKeys: nextKeys(), nowMs });
  else if (values.promote !== undefined) await promote(to(values.promote));
  else if (values.rollback !== undefined) await rollBack(to(values.rollback));
  else return release(keys);
  console.log(`${out} is signed anew`);
}

function parseFlags() {
  return parseArgs({
    options: {
      out: { type: "string" },
      keys: { type: "string" },
      channel: { type: "string", default: "stable" },
      version: { type: "string", default: VERSION },
      notes: { type: "string", default: "" },
      url: { type: "string" },
      arch: { type: "string", multiple: true },
      quick: { type: "boolean", default: false },
      core: { type: "string", multiple: true, default: [] },
      report: { type: "boolean", default: false },
      untried: { type: "boolean", default: false },
      "make-keys": { type: "string" },
      "refresh-timestamp": { type: "boolean", default: false },
      refresh: { type: "boolean", default: false },
      promote: { type: "string" },
      rollback: { type: "string" },
      "rotate-root": { type: "boolean", default: false },
      "next-keys": { type: "string" },
      verify: { type: "boolean", default: false },
      serve: { type: "string" },
      port: { type: "string", default: "8000" },
      help: { type: "boolean", short: "h", default: false },
    },
  }).values;
}

async function release(keys: KeyDirectory): Promise<void> {
  const changed = changedFiles();
  if (changed.length > 0) {
    console.error(
      `note: ${changed.length} files differ from the commit: nobody else can make these bytes`,
    );
  }
  // Asked again where the core is made, which may be an hour later.
  if (!values.quick && values.core.length === 0) requireOwnPackages(ROOT);
  tryOnMachines(keys);
  const before = newestIndexes();
  const { version, notes, url = null } = values;
  const made = await addRelease({
    out,
    keys,
    version,
    channel: channel(),
    notes: notes.split("\n")[0] ?? "",
    architectures: architectures(),
    compression: values.quick ? "quick" : "small",
    cores: givenCores(),
    url,
    builtAtMs: commitTimeMs(),
    nowMs,
  });
  if (values.report) {
    for (const one of made) console.log(report(one, before.get(one.arch) ?? null).join("\n"));
  }
  console.log(`${out}: ${version} in channel ${channel()}`);
}

/** What cannot be installed is not published: throws, and nothing was made yet. */
function tryOnMachines(keys: KeyDirectory): void {
  const isTrial = values.quick || values.core.length > 0 || keys.directory === TEST_KEYS;
  if (isTrial || values.untried) {
    console.error("note: this release was not tried on Debian machines: see --untried in --help");
    return;
  }
  for (const arch of architectures()) {
    console.log(`installing this checkout on Debian machines, linux-${arch}`);
    const script = join(ROOT, "test", "rootfs", "main.ts");
    const words = [script, "--required", "--arch", arch];
    const { status } = spawnSync(process.execPath, words, { stdio: "inherit" });
    if (status !== 0) {
      throw new Error(
        `Cannot release: this checkout was not installed on linux-${arch}, see above; nothing was published`,
      );
    }
  }
}

function newestIndexes(): Map<Architecture, ChunkIndex> {
  return new Map(
    architectures().flatMap((arch) => {
      const path = newestIndex(out, arch);
      return path === null ? [] : [[arch, decodeChunkIndex(readFileSync(path))] as const];
    }),
  );
}

async function verify(): Promise<void> {
  const published = values.out === undefined ? null : out;
  const lines = await verifyBuild({
    published,
    version: values.version,
    builtAtMs: commitTimeMs(),
    architectures: architectures(),
  });
  console.log(lines.join("\n"));
}

async function serve(directory: string): Promise<void> {
  const port = /^\d{1,5}$/.test(values.port) ? Number(values.port) : 65_536;
  if (port > 65_535) throw new Error(`--port: found "${values.port}", needed 0 to 65535`);
  const { url } = serveDirectory(directory, port, (line) => console.error(line));
  console.log(`${directory} at ${url}`);
  await new Promise<never>(() => {});
}

function makeAllKeys(directory: string): void {
  makeKeys(directory);
  console.log(
    `Made the keys in ${directory}. Keep root-* and targets-* apart and offline; the daily job needs`,
  );
  console.log("timestamp.pem alone. A key that moves elsewhere leaves its .pub file here.");
}

function keyDirectory(): KeyDirectory {
  if (values.keys !== undefined) return new KeyDirectory(resolve(values.keys));
  if (Object.keys(process.env).some((name) => name.startsWith("MYCELIUM_KEY_"))) {
    return new KeyDirectory(join(ROOT, "no-key-directory"));
  }
  mkdirSync(join(ROOT, ".cache"), { recursive: true });
  if (!existsSync(TEST_KEYS)) makeKeys(TEST_KEYS);
  console.error(
    `TEST KEYS: this release is signed with ${TEST_KEYS}, which anybody could make. For trials only;`,
  );
  console.error(
    "           a real one names its keys with --keys DIR (build/release --make-keys DIR)",
  );
  return new KeyDirectory(TEST_KEYS);
}

function nextKeys(): KeyDirectory {
  const directory = values["next-keys"];
  if (directory !== undefined) return new KeyDirectory(resolve(directory));
  throw new Error("--rotate-root needs --next-keys DIR (the same directory renews the root)");
}

function channel() {
  const found = CHANNELS.find((name) => name === values.channel);
  if (found !== undefined) return found;
  throw new Error(`--channel: found "${values.channel}", needed ${CHANNELS.join(" or ")}`);
}

function architectures(): Architecture[] {
  return (values.arch ?? [...ARCHITECTURES]).map(architecture);
}

function architecture(text: string): Architecture {
  const found = ARCHITECTURES.find((arch) => arch === text);
  if (found !== undefined) return found;
  throw new Error(`found architecture "${text}", needed ${ARCHITECTURES.join(" or ")}`);
}

function givenCores(): Partial<Record<Architecture, string>> {
  return Object.fromEntries(
    values.core.map((text) => {
      const [arch = "", file = ""] = text.split(/=(.*)/s);
      if (!existsSync(file)) throw new Error(`--core: found "${text}", needed ARCH=FILE`);
      return [architecture(arch), resolve(file)];
    }),
  );
}

function orExit<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    return exit(error);
  }
}

function exit(error: unknown): never {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}

await main().catch(exit);
