/** The releases of a trial, made by `build/release` and served to the machines: two that work and one that does not. */

import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Arch } from "./debian.ts";
import { HOST_ADDRESS } from "./network.ts";
import type { ServeOptions } from "./serve-worker.ts";

const ROOT = resolve(import.meta.dir, "../..");
const GOOD = ["0.8.0", "0.8.1"] as const;
const BAD = "0.8.2";
/** Link to the release that is served now. */
const SERVED = "served";
/** As a core: it starts and ends at once. */
const CRASHING_CORE = "#!/bin/sh\necho 'this core crashes' >&2\nexit 1\n";

export class Releases {
  readonly good = GOOD;
  readonly bad = BAD;
  readonly arch: Arch;
  readonly url: string;
  readonly #scratch: string;
  readonly #server: Worker;

  private constructor(scratch: string, arch: Arch, server: Worker, url: string) {
    this.#scratch = scratch;
    this.arch = arch;
    this.#server = server;
    this.url = url;
  }

  /** A place for releases in `scratch`, served to the machines. */
  static async open(scratch: string, arch: Arch): Promise<Releases> {
    const server = new Worker(new URL("./serve-worker.ts", import.meta.url));
    const port = new Promise<number>((resolve) => {
      server.onmessage = ({ data }) => resolve(data);
    });
    const options: ServeOptions = { hostname: HOST_ADDRESS, directory: join(scratch, SERVED) };
    server.postMessage(options);
    return new Releases(scratch, arch, server, `http://${HOST_ADDRESS}:${await port}`);
  }

  /** Where the second good one lies, which machines see as /release. */
  get offlineDirectory(): string {
    return this.#directory(GOOD[1]);
  }

  /** Each has those before it as well. */
  make(): void {
    this.#release(GOOD[0], null);
    this.#release(GOOD[1], GOOD[0]);
    const core = join(this.#scratch, "crashing-core");
    writeFileSync(core, CRASHING_CORE, { mode: 0o755 });
    this.serve(GOOD[0]);
    this.#release(BAD, GOOD[1], `--core=${this.arch}=${core}`);
  }

  serve(version: string): void {
    const link = join(this.#scratch, SERVED);
    rmSync(link, { force: true });
    symlinkSync(this.#directory(version), link);
  }

  close(): void {
    this.#server.terminate();
  }

  #directory(version: string): string {
    return join(this.#scratch, `release-${version}`);
  }

  #release(version: string, before: string | null, ...words: readonly string[]): void {
    const out = this.#directory(version);
    if (before === null) mkdirSync(out, { recursive: true });
    else run("cp", ["-a", this.#directory(before), out]);
    const flags = ["--quick", `--arch=${this.arch}`, `--version=${version}`, `--url=${this.url}`];
    run(join(ROOT, "build/release"), [`--out=${out}`, ...flags, ...words]);
  }
}

function run(program: string, words: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(program, words, { cwd: ROOT, encoding: "utf8" });
  if (status !== 0)
    throw new Error(`${program} ${words.join(" ")} ended with ${status}\n${stdout}${stderr}`);
}
