/** The releases of a trial, made by `build/release` and served to the machines. */

import { spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { buildCore } from "../../build/core.ts";
import type { Arch } from "./debian.ts";
import { HOST_ADDRESS } from "./network.ts";
import type { ServeOptions } from "./serve-worker.ts";

const ROOT = resolve(import.meta.dir, "../..");
/** The real core, which does as the file FAULT in its state directory says. */
const FAULTY = join(ROOT, "test/integration/update/faulty-core.ts");
/** Link to the release that is served now. */
const SERVED = "served";

export interface ReleaseChoice {
  /** The version whose directory this one is added to; a directory of its own when left out. */
  readonly after?: string;
  /** As the core; this checkout's when left out. */
  readonly script?: string;
  /** The real core, broken when it is told so. */
  readonly isFaulty?: boolean;
  /** Other code in the launcher, which does the same. */
  readonly hasOtherLauncher?: boolean;
}

export class Releases {
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
    mkdirSync(scratch, { recursive: true });
    const options: ServeOptions = { hostname: HOST_ADDRESS, directory: join(scratch, SERVED) };
    server.postMessage(options);
    return new Releases(scratch, arch, server, `http://${HOST_ADDRESS}:${await port}`);
  }

  /** Where a version lies, with those before it. */
  directory(version: string): string {
    return join(this.#scratch, `release-${version}`);
  }

  async make(version: string, choice: ReleaseChoice = {}): Promise<void> {
    const out = this.directory(version);
    if (choice.after === undefined) mkdirSync(out, { recursive: true });
    else run("cp", ["-a", this.directory(choice.after), out]);
    const core = await this.#core(version, choice);
    const flags = ["--quick", `--arch=${this.arch}`, `--version=${version}`, `--url=${this.url}`];
    if (core !== null) flags.push(`--core=${this.arch}=${core}`);
    const compiler = `${process.env["CC"] ?? "cc"} -fno-inline`;
    const environment = choice.hasOtherLauncher === true ? { CC: compiler } : {};
    run(join(ROOT, "build/release"), [`--out=${out}`, ...flags], environment);
  }

  /** A copy of a version's directory whose list of sums its publisher has not signed. */
  forge(version: string, name: string): void {
    run("cp", ["-a", this.directory(version), this.directory(name)]);
    const sums = join(this.directory(name), "SHA256SUMS");
    // `cp -a` keeps hard links among the copies only.
    appendFileSync(sums, `${"0".repeat(64)}  more\n`);
  }

  serve(version: string): void {
    const link = join(this.#scratch, SERVED);
    rmSync(link, { force: true });
    symlinkSync(this.directory(version), link);
  }

  close(): void {
    this.#server.terminate();
  }

  async #core(version: string, { script, isFaulty }: ReleaseChoice): Promise<string | null> {
    const path = join(this.#scratch, `core-${version}`);
    if (script !== undefined) writeFileSync(path, script, { mode: 0o755 });
    else if (isFaulty === true)
      await buildCore({ target: this.arch, out: path, version, entry: FAULTY });
    else return null;
    return path;
  }
}

function run(
  program: string,
  words: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): void {
  const env = { ...process.env, ...environment };
  const { status, stdout, stderr } = spawnSync(program, words, {
    cwd: ROOT,
    encoding: "utf8",
    env,
  });
  if (status !== 0)
    throw new Error(`${program} ${words.join(" ")} ended with ${status}\n${stdout}${stderr}`);
}
