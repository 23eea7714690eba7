/**
 * This process becomes the launcher, and by it another core: execve(2) keeps the process id, the standard streams and
 * the place under the supervisor, so that nobody outside sees a restart. Neither Bun nor Node has it.
 */

import { dlopen, FFIType, ptr } from "bun:ffi";
import { readdirSync, readFileSync } from "node:fs";
import { MyceliumError, utf8 } from "../../base/index.ts";

const F_SETFD = 2;
const FD_CLOEXEC = 1;
const SIG_SETMASK = 2;
const SIG_DFL = 0n;
/** SIGPIPE and SIGXFSZ: Bun ignores them. */
const IGNORED_SIGNALS = [13, 25];
/** glibc's sigset_t. */
const SIGNAL_SET_SIZE_BYTES = 128;
const STANDARD_STREAMS = 2;

/** The words this process was started with, as the launcher got them. */
export function ownArguments(): readonly string[] {
  return readFileSync("/proc/self/cmdline", "utf8").split("\0").slice(0, -1);
}

/** Does not return: all that is open here but the standard streams is closed. Throws when the kernel refuses. */
export function becomeLauncher(
  launcher: string,
  words: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): never {
  const libc = dlopen("libc.so.6", {
    execve: { args: [FFIType.ptr, FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
    fcntl: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
    sigprocmask: { args: [FFIType.i32, FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
    signal: { args: [FFIType.i32, FFIType.u64], returns: FFIType.u64 },
  }).symbols;
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value ?? ""}`);
  const path = utf8(`${launcher}\0`);
  const argv = new StringTable(words);
  const envp = new StringTable(variables);
  for (const name of readdirSync("/proc/self/fd")) {
    const fd = Number(name);
    if (fd > STANDARD_STREAMS) libc.fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  // Handlers end with the old program by themselves; what is blocked or ignored would live on in the new one.
  libc.sigprocmask(SIG_SETMASK, ptr(new Uint8Array(SIGNAL_SET_SIZE_BYTES)), null);
  for (const signal of IGNORED_SIGNALS) libc.signal(signal, SIG_DFL);
  libc.execve(ptr(path), argv.pointer, envp.pointer);
  throw new MyceliumError(
    "STATE_MISSING",
    `Cannot start ${launcher}: the kernel refused it; see that it is there, executable and for this machine`,
    { details: { words: argv.count, variables: envp.count, pathBytes: path.length } },
  );
}

/** A C array of C strings, ended by null; valid as long as it is held. */
class StringTable {
  readonly #strings: readonly Uint8Array[];
  readonly #pointers: BigUint64Array;

  constructor(strings: readonly string[]) {
    this.#strings = strings.map((text) => utf8(`${text}\0`));
    this.#pointers = BigUint64Array.from([...this.#strings.map((one) => BigInt(ptr(one))), 0n]);
  }

  get count(): number {
    return this.#strings.length;
  }

  get pointer() {
    return ptr(this.#pointers);
  }
}
