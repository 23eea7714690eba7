/** The releases of a trial, made by `build/release` and served to the machines: two that work and one that does not. */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Arch } from "./debian.ts";
import { HOST_ADDRESS } from "./network.ts";

const ROOT = resolve(import.meta.dir, "../..");
const GOOD = ["0.8.0", "0.8.1"] as const;
const BAD = "0.8.2";
/** As a core: it starts and ends at once. */
const CRASHING_CORE = "#!/bin/sh\necho 'this core crashes' >&2\nexit 1\n";

export class Releases {
  readonly good = GOOD;
  readonly bad = BAD;
  readonly arch: Arch;
  readonly #scratch: string;
  readonly #server: Bun.Server<undefined>;
  #served: string = GOOD[0];

  constructor(scratch: string, arch: Arch) {
    this.#scratch = scratch;
    this.arch = arch;
    this.#server = Bun.serve({
      hostname: HOST_ADDRESS,
      port: 0,
      fetch: (request) => this.#answer(new URL(request.url).pathname),
    });
  }

  get url(): string {
    return `http://${HOST_ADDRESS}:${this.#server.port}`;
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
    this.#release(BAD, GOOD[1], `--core=${this.arch}=${core}`);
  }

  serve(version: string): void {
    this.#served = version;
  }

  async close(): Promise<void> {
    await this.#server.stop(true);
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

  #answer(path: string): Response {
    const file = join(this.#directory(this.#served), decodeURIComponent(path));
    if (!existsSync(file) || !statSync(file).isFile()) return new Response(null, { status: 404 });
    return new Response(Bun.file(file));
  }
}

function run(program: string, words: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(program, words, { cwd: ROOT, encoding: "utf8" });
  if (status !== 0)
    throw new Error(`${program} ${words.join(" ")} ended with ${status}\n${stdout}${stderr}`);
}
