/** Programs in C that test the launcher, compiled for this machine. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { findCompiler, hostTarget, ZIG_ENVIRONMENT } from "../../../build/native.ts";
import { REPOSITORY } from "./launcher-lab.ts";

const SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1"];

/** The parsers under sanitizers; without them where this machine's compiler has none, which is said. */
export async function buildParts(): Promise<string> {
  const sources = [
    "record",
    "trailer",
    "text",
    "sha256",
    "sha256-hardware",
    "branch-filter",
    "arguments",
  ];
  const files = [
    "test/integration/launcher/native/parts.c",
    ...sources.map((name) => `native/launcher/${name}.c`),
  ];
  const sanitized = await compile("parts-sanitized", [...SANITIZERS, ...files]);
  if (sanitized.program !== null) return sanitized.program;
  console.log(`not tested here: parsers under sanitizers (${sanitized.problem})`);
  return orThrow(await compile("parts", ["-O1", ...files]));
}

export async function buildKiller(): Promise<string> {
  return orThrow(
    await compile("kill-at-call", ["-O1", "test/integration/launcher/native/kill-at-call.c"]),
  );
}

type Compiled =
  | { readonly program: string; readonly problem: null }
  | { readonly program: null; readonly problem: string };

async function compile(name: string, words: readonly string[]): Promise<Compiled> {
  const program = join(REPOSITORY, "dist/test", name);
  mkdirSync(join(REPOSITORY, "dist/test"), { recursive: true });
  const compiler = await findCompiler(hostTarget());
  const child = Bun.spawn([...compiler, "-Wall", "-Wextra", "-o", program, ...words], {
    cwd: REPOSITORY,
    env: { ...process.env, ...ZIG_ENVIRONMENT },
    stderr: "pipe",
  });
  const problem = (await new Response(child.stderr).text()).trim();
  if ((await child.exited) === 0) return { program, problem: null };
  return { program: null, problem: problem.split("\n").at(-1) ?? "it did not compile" };
}

function orThrow({ program, problem }: Compiled): string {
  if (program === null) throw new Error(`Cannot test: ${problem}`);
  return program;
}
