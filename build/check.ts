/**
 * The one gate: `bun run check`. Runs every check, prints one line for each and the output of those that fail, and
 * ends with 0 only when all pass.
 */

import { resolve } from "node:path";
import { readmeProblem } from "./readme-tables.ts";

const ROOT = resolve(import.meta.dir, "..");
const BIN = `${ROOT}/node_modules/.bin`;

interface Check {
  readonly name: string;
  /** Null when it passes, else what is wrong. */
  run(): Promise<string | null>;
}

const CHECKS: readonly Check[] = [
  program("types (tsc)", [`${BIN}/tsc`, "--noEmit"]),
  program("format and lint (biome)", [
    `${BIN}/biome`,
    "check",
    "--config-path=build/lint.jsonc",
    "--error-on-warnings",
    "--max-diagnostics=50",
    "src",
    "build",
    "test",
  ]),
  program("dead code (knip)", [`${BIN}/knip`, "--config=build/knip.json", "--no-progress"]),
  program("architecture", [process.execPath, "test", "test/architecture"]),
  { name: "shell (shellcheck)", run: shellcheck },
  { name: "README tables", run: async () => readmeProblem(ROOT) },
];

async function main(): Promise<number> {
  const failed: string[] = [];
  for (const { name, run } of CHECKS) {
    const startMs = performance.now();
    const problem = await run();
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
    console.log(`${problem === null ? "ok  " : "FAIL"}  ${name}  ${seconds} s`);
    if (problem !== null) {
      failed.push(name);
      console.log(problem.replace(/^/gm, "      "));
    }
  }
  console.log(failed.length === 0 ? "All checks pass" : `Failed: ${failed.join(", ")}`);
  return failed.length === 0 ? 0 : 1;
}

function program(name: string, words: readonly string[]): Check {
  return { name, run: () => outputIfFailed(words) };
}

async function outputIfFailed(words: readonly string[]): Promise<string | null> {
  const child = Bun.spawn([...words], { cwd: ROOT, stdout: "pipe", stderr: "pipe" });
  const [out, error, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  // Of a test run only what failed is of interest.
  return status === 0 ? null : `${out}\n${error}`.replace(/^\(pass\).*\n/gm, "").trim();
}

async function shellcheck(): Promise<string | null> {
  if (Bun.which("shellcheck") === null) {
    console.log("      shellcheck is missing here: the shell scripts are not checked");
    return null;
  }
  return outputIfFailed(["shellcheck", "-x", ...(await shellScripts())]);
}

/** Every file of the repository that a POSIX shell runs or sources. */
async function shellScripts(): Promise<string[]> {
  const listed = Bun.spawnSync(["git", "ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: ROOT,
  });
  const names = listed.stdout.toString().split("\n").filter(Boolean);
  const scripts: string[] = [];
  for (const name of names) {
    const file = Bun.file(`${ROOT}/${name}`);
    if (!(await file.exists())) continue;
    const head = await file.slice(0, 64).text();
    if (/^#!.*\bsh\n|^# shellcheck shell=sh/.test(head)) scripts.push(name);
  }
  return scripts;
}

process.exit(await main());
