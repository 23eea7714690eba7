/**
 * Runs the TUF project's own conformance suite against our client (tuf-client.ts) and prints its counts.
 *
 *   bun run tuf-conformance [--suite DIR] [-- PYTEST-OPTIONS]
 *
 * The suite is Python (3.10 or later, with venv) and needs `faketime`. It is installed once into .cache: from DIR,
 * else from the package index, else from its repository at the version below. Ends with 0 only if every test passed;
 * no failure is expected of us.
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";

const ROOT = resolve(import.meta.dir, "../..");
const SUITE = "tuf-conformance";
const VERSION = "2.4.0";
const REPOSITORY = "https://github.com/theupdateframework/tuf-conformance";
const ENVIRONMENT = `${ROOT}/.cache/${SUITE}-${VERSION}`;
const PYTHON = `${ENVIRONMENT}/bin/python`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { suite: { type: "string" } },
});

function main(): number {
  for (const program of ["python3", "faketime"]) {
    if (Bun.which(program) !== null) continue;
    return fail(`${program} is missing; install the package ${program}`);
  }
  if (!isInstalled() && !install()) {
    return fail(
      `the suite could not be installed; name a checkout of ${REPOSITORY} (v${VERSION}) with --suite`,
    );
  }
  const where = "import tuf_conformance; print(tuf_conformance.__path__[0])";
  const folder = run([PYTHON, "-c", where], "pipe").stdout.trim();
  const client = `${process.execPath} ${ROOT}/test/conformance/tuf-client.ts`;
  const words = ["-m", "pytest", folder, "--entrypoint", client, "-q", "-p", "no:cacheprovider"];
  return run([PYTHON, ...words, ...positionals], "inherit").status;
}

function isInstalled(): boolean {
  return existsSync(PYTHON) && run([PYTHON, "-c", "import tuf_conformance"], "pipe").status === 0;
}

function install(): boolean {
  rmSync(ENVIRONMENT, { recursive: true, force: true });
  mkdirSync(`${ROOT}/.cache`, { recursive: true });
  if (run(["python3", "-m", "venv", ENVIRONMENT], "inherit").status !== 0) return false;
  const sources =
    values.suite === undefined
      ? [`${SUITE}==${VERSION}`, `${SUITE} @ git+${REPOSITORY}@v${VERSION}`]
      : [resolve(values.suite)];
  return sources.some((source) => {
    const words = [PYTHON, "-m", "pip", "install", "--quiet", source];
    const { status, stderr } = run(words, "pipe");
    if (status !== 0) console.error(`Not from ${source}: ${stderr.trim().split("\n").at(-1)}`);
    return status === 0;
  });
}

function run(words: readonly string[], output: "inherit" | "pipe") {
  const [program = "", ...rest] = words;
  const { status, stdout, stderr } = spawnSync(program, rest, {
    cwd: ROOT,
    encoding: "utf8",
    stdio: ["ignore", output, output],
  });
  return { status: status ?? 1, stdout: stdout ?? "", stderr: stderr ?? "" };
}

function fail(reason: string): number {
  console.error(`Cannot run the TUF conformance suite: ${reason}`);
  return 1;
}

process.exit(main());
