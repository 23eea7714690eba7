/**
 * install.sh from this checkout into scratch directories, as whoever runs the tests: install, upgrade, a second
 * machine that joins, leave, uninstall. Needs no root; with root nothing outside the scratch directories is touched.
 */

import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { packShipped } from "../../../build/launcher.ts";
import { freePorts } from "./free-ports.ts";
import { makeRelease, makeReleaseKey } from "./release-fixture.ts";

const REPOSITORY = resolve(import.meta.dir, "../../..");
const scratch = mkdtempSync(join(tmpdir(), "mycelium-install-"));

/** One machine: a prefix, a state directory, ports. */
class Machine {
  readonly prefix: string;
  readonly state: string;
  readonly ports: { port: number; p2pPort: number };

  constructor(name: string, ports: { port: number; p2pPort: number }) {
    this.prefix = join(scratch, name);
    this.state = join(scratch, `${name}-state`);
    this.ports = ports;
  }

  /** From the checkout, which is built. */
  build(...flags: string[]) {
    return this.#install("./install.sh", flags);
  }

  /** The same program, from a release directory. */
  install(...flags: string[]) {
    return this.installFrom(release(), ...flags);
  }

  installFrom(directory: string, ...flags: string[]) {
    return this.#install(join(directory, "install.sh"), flags);
  }

  #install(script: string, flags: readonly string[]) {
    const places = ["--prefix", this.prefix, "--state", this.state];
    const ports = ["--port", String(this.ports.port), "--p2p-port", String(this.ports.p2pPort)];
    return this.#run("sh", [script, ...places, ...ports, ...flags]);
  }

  uninstall(...flags: string[]) {
    return this.#run("./install.sh", [
      "--uninstall",
      "--prefix",
      this.prefix,
      "--state",
      this.state,
      ...flags,
    ]);
  }

  mycelium(...words: string[]) {
    return this.#run(join(this.prefix, "bin/mycelium"), [...words, "--state", this.state]);
  }

  status() {
    const { out, error } = this.mycelium("status", "--json");
    if (out === "") throw new Error(error);
    return JSON.parse(out);
  }

  #run(program: string, words: string[]) {
    const PATH = `${dirname(process.execPath)}:${process.env["PATH"]}`;
    const { status, stdout, stderr } = spawnSync(program, words, {
      cwd: REPOSITORY,
      env: { PATH, HOME: scratch, XDG_CACHE_HOME: join(scratch, "cache") },
      encoding: "utf8",
    });
    return { status, out: stdout.trim(), error: stderr.trim() };
  }
}

/** Made of what the first installation has built. */
function release(): string {
  const directory = join(scratch, "release");
  if (existsSync(directory)) return directory;
  const program = readFileSync(join(REPOSITORY, "dist/mycelium"));
  makeRelease({ directory, key: makeReleaseKey(), url: "", versions: { "0.1.0": program } });
  return directory;
}

/** A newer one, whose core ends at once. */
function crashing(): string {
  const directory = join(scratch, "crashing");
  const built = readFileSync(join(REPOSITORY, "dist/mycelium"));
  const program = packShipped({
    launcher: readFileSync(join(REPOSITORY, `dist/native-${process.arch}/launcher`)),
    core: Buffer.from("#!/bin/sh\nexit 1\n"),
    machine: process.arch === "x64" ? "x64" : "arm64",
    version: "9.9.9",
    stateFormat: 1,
    compression: "quick",
  });
  const versions = { "0.1.0": built, "9.9.9": program };
  makeRelease({ directory, key: makeReleaseKey(), url: "", versions });
  return directory;
}

const first = new Machine("first", await freePorts());
const second = new Machine("second", await freePorts());

afterAll(() => {
  for (const machine of [first, second]) {
    if (existsSync(machine.state)) machine.uninstall("--purge");
  }
  rmSync(scratch, { recursive: true, force: true });
});

describe("install.sh", () => {
  test("--dry-run says what it would do and does nothing", () => {
    const { status, out } = first.build("--dry-run");
    expect(status).toBe(0);
    expect(out).toContain(`cp ${REPOSITORY}/dist/mycelium`);
    expect(existsSync(first.prefix)).toBe(false);
  });

  test("refuses unknown flags and does nothing", () => {
    expect(first.build("--prefx=x").status).toBe(1);
    expect(existsSync(first.prefix)).toBe(false);
  });

  test("a copy that is cut off anywhere does nothing", () => {
    const whole = readFileSync(join(REPOSITORY, "install.sh"), "utf8");
    for (let cut = 0; cut < whole.length - 'main "$@"\n'.length; cut += 97) {
      const { stdout } = spawnSync("sh", ["-s", "--", "--prefix", join(scratch, "cut")], {
        input: whole.slice(0, cut),
        encoding: "utf8",
      });
      expect(stdout).toBe("");
    }
    expect(readdirSync(scratch)).toEqual([]);
  });

  test("makes and starts a healthy network of one node and says what to type next", () => {
    const { status, out, error } = first.build("--network", "home");
    expect({ status, error }).toMatchObject({ status: 0 });
    expect(out).toContain("healthy");
    expect(out).toContain("token create");
    expect(out).toContain("mycelium join TOKEN");
    expect(first.status()).toMatchObject({
      healthy: true,
      network: { name: "home" },
      node: { class: "sclerotium", role: "validator" },
      problems: [],
    });
    expect(existsSync(join(first.state, "mycelium.pid"))).toBe(true);
  });

  test("run again, from a release of the same program, it does nothing: the same node, running", () => {
    const before = first.status();
    expect(first.mycelium("sql", "CREATE TABLE kept (x)").status).toBe(0);
    const pid = readFileSync(join(first.state, "mycelium.pid"), "utf8");
    expect(first.install()).toMatchObject({ status: 0 });
    expect(first.status().node.id).toBe(before.node.id);
    expect(readFileSync(join(first.state, "mycelium.pid"), "utf8")).toBe(pid);
    expect(first.mycelium("sql", "INSERT INTO kept VALUES (7)").status).toBe(0);
    expect(first.mycelium("sql", "SELECT x FROM kept", "--format", "csv").out).toContain("7");
  });

  test("a release that crashes at its start is taken back: the node runs the one before, and says why", () => {
    const { status, error } = first.installFrom(crashing());
    expect(status).toBe(1);
    expect(error).toContain(
      "the new version was taken back, the one before runs: it was started 3 times",
    );
    expect(first.status()).toMatchObject({ healthy: true });
    expect(first.mycelium("sql", "SELECT x FROM kept", "--format", "csv").out).toContain("7");
    const program = join(first.prefix, "bin/mycelium");
    expect(readFileSync(program).equals(readFileSync(join(REPOSITORY, "dist/mycelium")))).toBe(
      true,
    );
    expect(first.install()).toMatchObject({ status: 0 });
  });

  test("a taken port is said, with what to set, and nothing runs", () => {
    const { port } = first.ports;
    const other = new Machine("other", { port, p2pPort: first.ports.p2pPort + 4 });
    const { status, error } = other.install();
    expect(status).not.toBe(0);
    expect(error).toContain(`PORT ${port} is taken`);
    expect(error).toContain("--port");
    // Nothing half installed either.
    expect(existsSync(other.prefix)).toBe(false);
    expect(existsSync(other.state)).toBe(false);
  });

  test("a second machine joins: its unused network gives way and its service starts again", () => {
    expect(second.install("--network", "other").status).toBe(0);
    const token = first.mycelium("token", "create");
    expect(token.status).toBe(0);
    expect(token.out).not.toContain("\n");
    const refused = second.mycelium("join", `${token.out.slice(0, -3)}xyz`);
    expect(refused.status).not.toBe(0);
    expect(second.status().network.name).toBe("other");
    expect(second.mycelium("join", token.out)).toMatchObject({ status: 0 });
    expect(second.status().network).toEqual(first.status().network);
    expect(second.status().peers).toHaveLength(1);
    expect(existsSync(join(second.state, "before-join"))).toBe(false);
  });

  test("a network in use does not give way", () => {
    const { out } = first.mycelium("token", "create");
    const { status, error } = second.mycelium("join", out);
    expect(status).toBe(1);
    expect(error).toContain("mycelium leave");
  });

  test("stop and run --background: a restart needs no token", () => {
    expect(second.mycelium("stop").status).toBe(0);
    expect(second.mycelium("status").status).toBe(3);
    expect(second.mycelium("run", "--background").status).toBe(0);
    expect(second.status().network).toEqual(first.status().network);
    expect(second.mycelium("logs", "--lines", "1").out).toStartWith("{");
  });

  test("leave --wipe takes the node out", () => {
    expect(second.mycelium("leave", "--wipe")).toMatchObject({ status: 0 });
    expect(existsSync(join(second.state, "node.key"))).toBe(false);
    expect(second.mycelium("status").status).toBe(3);
  });

  test("--uninstall keeps the data, --purge does not", () => {
    expect(first.uninstall().status).toBe(0);
    expect(existsSync(join(first.prefix, "bin/mycelium"))).toBe(false);
    expect(existsSync(join(first.state, "node.key"))).toBe(true);
    expect(first.uninstall("--purge").status).toBe(0);
    expect(existsSync(first.state)).toBe(false);
  });
});
