/**
 * The root helper as its unit runs it: one process for each request, a socket of the agent's user as its standard
 * input. Compiled with a C library and sanitizers from the sources that are linked into the launcher.
 */

import { dlopen, FFIType, ptr } from "bun:ffi";
import { spawnSync } from "node:child_process";
import { closeSync, readdirSync, readSync, writeSync } from "node:fs";
import { join, resolve } from "node:path";

const NATIVE = resolve(import.meta.dir, "../../../native");
const SHARED = ["sha256.c", "sha256-hardware.c", "text.c", "trailer.c"];
const SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 1 | 0o2000000;
const SHUT_WR = 1;
const ANSWER_SIZE_MAX = 1_024;
/** Who the agent is in these tests: nobody, where the tests run as root. */
const NOBODY = 65_534;

const libc = dlopen("libc.so.6", {
  socketpair: { args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
  shutdown: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  seteuid: { args: [FFIType.u32], returns: FFIType.i32 },
}).symbols;

export const isRoot = process.getuid?.() === 0;
export const agentUid = isRoot ? NOBODY : (process.getuid?.() ?? NOBODY);

/** Null where no compiler is: the launcher's own tests cover what is linked there. */
export function compileHelper(directory: string): string | null {
  const compiler = ["cc", "gcc", "clang"].find((name) => Bun.which(name) !== null);
  if (compiler === undefined) return null;
  const helper = join(directory, "root-helper");
  const own = readdirSync(join(NATIVE, "root-helper")).filter((name) => name.endsWith(".c"));
  const sources = [
    join(NATIVE, "root-helper/test/main.c"),
    ...own.map((name) => join(NATIVE, "root-helper", name)),
    ...SHARED.map((name) => join(NATIVE, "launcher", name)),
  ];
  const words = ["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-o", helper, ...sources];
  for (const flags of [SANITIZERS, []]) {
    if (spawnSync(compiler, [...flags, ...words]).status === 0) return helper;
  }
  throw new Error(`Cannot test: ${compiler} does not compile native/root-helper`);
}

/** A pair of connected sockets, made as user `uid`: that is who the other end sees. */
function socketsOf(uid: number): [number, number] {
  const pair = new Int32Array(2);
  if (isRoot) libc.seteuid(uid);
  const failed = libc.socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC, 0, ptr(pair)) !== 0;
  if (isRoot) libc.seteuid(0);
  if (failed) throw new Error("Cannot test: no sockets");
  return [pair[0]!, pair[1]!];
}

export interface Ask {
  readonly command: readonly string[];
  /** One for each socket: the first is standard input, more are 3, 4 ... */
  readonly requests: readonly string[];
  readonly uid?: number;
}

/** The answers, in the order of the requests, and what went to standard output. */
export async function ask({ command, requests, uid = agentUid }: Ask) {
  const pairs = requests.map(() => socketsOf(uid));
  pairs.forEach(([mine], i) => {
    writeSync(mine, requests[i]!);
    libc.shutdown(mine, SHUT_WR);
  });
  const theirs = pairs.map(([, end]) => end);
  const child = Bun.spawn([...command], {
    stdio: [theirs[0]!, "pipe", "ignore", ...theirs.slice(1)],
    // The sanitizers' leak check cannot follow a process that was made by a bare system call.
    env: { PATH: process.env["PATH"] ?? "", ASAN_OPTIONS: "detect_leaks=0" },
  });
  const out = await new Response(child.stdout as ReadableStream).text();
  await child.exited;
  for (const end of theirs) closeSync(end);
  return { out, answers: pairs.map(([mine]) => answerOf(mine)) };
}

function answerOf(fd: number): string {
  const bytes = Buffer.alloc(ANSWER_SIZE_MAX);
  let length = 0;
  try {
    length = readSync(fd, bytes);
  } catch {
    // Closed before it was read: there is no answer.
  }
  closeSync(fd);
  return bytes.toString("latin1", 0, length);
}
