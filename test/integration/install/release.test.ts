/**
 * The published install.sh against a release served on loopback: with `curl | sh`, offline, upgraded, and on machines
 * and mirrors that have this or that wrong. The program is a script that stands in for the node (fake-mycelium.sh);
 * the real one is installed in install.test.ts and in `bun run test:rootfs`.
 */

import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeRelease, makeReleaseKey, putSums, sha256 } from "./release-fixture.ts";

const FAKE = readFileSync(join(import.meta.dir, "fake-mycelium.sh"), "utf8");
const NAME = `mycelium-linux-${process.arch}`;
const TOOLS =
  "sh awk cat chmod chown cmp cp curl cut date df dirname env getconf grep head id ls mkdir mv openssl printf rm rmdir sed sha256sum sleep sync tail timeout tr uname wget";
const key = makeReleaseKey();
const root = mkdtempSync(join(tmpdir(), "mycelium-release-"));
const served = join(root, "served");
/** What the mirror answers instead of a file, by name. */
const altered = new Map<string, () => Response>();
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch(request) {
    const name = decodeURIComponent(new URL(request.url).pathname.slice(1));
    const file = Bun.file(join(served, name));
    return (
      altered.get(name)?.() ??
      new Response(file.size > 0 ? file : null, { status: file.size > 0 ? 200 : 404 })
    );
  },
});
const url = `http://127.0.0.1:${server.port}`;

let machine = "";
let tools = "";

beforeEach(() => {
  machine = mkdtempSync(join(root, "machine-"));
  tools = join(machine, "tools");
  mkdirSync(tools);
  for (const tool of TOOLS.split(" ")) {
    const path = Bun.which(tool);
    if (path !== null) symlinkSync(path, join(tools, tool));
  }
  publish({ "0.1.0": "one" });
});
afterEach(() => {
  altered.clear();
  rmSync(served, { recursive: true });
  rmSync(machine, { recursive: true });
});
afterAll(async () => {
  await server.stop(true);
  rmSync(root, { recursive: true });
});

/** Versions and what tells their programs apart. */
function publish(marks: Record<string, string>): void {
  const versions = Object.fromEntries(
    Object.entries(marks).map(([version, mark]) => [version, Buffer.from(`${FAKE}# ${mark}\n`)]),
  );
  makeRelease({ directory: served, key, url, versions });
}

/** What the launcher writes down. */
function takeBack(refused: string, payload: string): void {
  mkdirSync(join(state(), "slots"), { recursive: true });
  const lines = [`payload ${payload}`, `refused ${refused}`, "reason it hung", ""];
  writeFileSync(join(state(), "slots/record"), lines.join("\n"));
}

/** Replaces a tool of the machine; null takes it away. */
function tool(name: string, script: string | null): void {
  rmSync(join(tools, name), { force: true });
  if (script === null) return;
  writeFileSync(join(tools, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(tools, name), 0o755);
}

const prefix = () => join(machine, "prefix");
const state = () => join(machine, "state");
const program = () => join(prefix(), "bin/mycelium");
const places = () => ["--prefix", prefix(), "--state", state()];

interface Run {
  readonly flags?: readonly string[];
  readonly fails?: string;
  readonly environment?: Record<string, string>;
  readonly script?: string;
}

/** `curl -fsSL URL/install.sh | sh -s -- FLAGS`, with the tools of this machine. */
async function install({ flags = [], fails = "", environment = {}, script }: Run = {}) {
  const child = Bun.spawn([join(tools, "sh"), "-s", "--", ...places(), ...flags], {
    cwd: machine,
    env: {
      PATH: tools,
      HOME: machine,
      FAKE_CALLS: join(machine, "calls"),
      FAKE_FAILS: fails,
      no_proxy: "127.0.0.1",
      ...environment,
    },
    stdin: Buffer.from(script ?? readFileSync(join(served, "install.sh"))),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, error, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { status, out, error };
}

const calls = () => readFileSync(join(machine, "calls"), "utf8");

/** Refused with these words, and nothing is left behind. */
async function expectRefused(words: string, run: Run = {}): Promise<void> {
  const { status, error } = await install(run);
  expect({ status, error }).toMatchObject({ status: 1, error: expect.stringContaining(words) });
  expect(existsSync(prefix())).toBe(false);
  expect(existsSync(state())).toBe(false);
}

describe("curl | sh", () => {
  test("installs what is signed, makes a node that knows where updates come from, starts it", async () => {
    const { status, out, error } = await install();
    expect({ status, error }).toEqual({ status: 0, error: "" });
    expect(out).toContain("token create");
    expect(readFileSync(program(), "utf8")).toContain("# one");
    expect(readFileSync(join(prefix(), "lib/mycelium/release.pem"), "utf8")).toBe(key.publicPem);
    expect(calls()).toContain(`init --network=home --update-url=${url} --state=${state()}`);
    expect(readdirSync(join(prefix(), "bin"))).toEqual(["mycelium"]);
  });

  test("join TOKEN joins", async () => {
    expect((await install({ flags: ["join", "token-1"] })).status).toBe(0);
    expect(calls()).toContain(`join token-1 --update-url=${url}`);
  });

  test("run again it does nothing: no download, no restart", async () => {
    await install();
    const before = calls();
    altered.set(NAME, () => new Response("not to be asked", { status: 500 }));
    const { status, out } = await install();
    expect(status).toBe(0);
    expect(out).toContain("installed already");
    expect(calls().slice(before.length)).not.toContain("run ");
  });

  test("a newer release replaces the program and keeps its predecessor", async () => {
    await install();
    publish({ "0.1.0": "one", "0.2.0": "two" });
    const { status, out } = await install();
    expect(status).toBe(0);
    expect(out).toContain("on trial");
    expect(readFileSync(program(), "utf8")).toContain("# two");
    expect(readFileSync(`${program()}.previous`, "utf8")).toContain("# one");
    expect(
      calls()
        .split("\n")
        .filter((call) => call.startsWith("run ")),
    ).toHaveLength(2);
  });

  test("a version that this node took back is not installed again, and that is said", async () => {
    await install();
    publish({ "0.1.0": "one", "0.2.0": "two" });
    expect((await install()).status).toBe(0);
    const digest = sha256(readFileSync(program()));
    const before = calls();
    takeBack(digest, digest);
    for (const put of [() => {}, () => renameSync(`${program()}.previous`, program())]) {
      put();
      const bytes = readFileSync(program());
      const { status, error } = await install();
      expect({ status, error }).toMatchObject({
        status: 1,
        error: expect.stringContaining("taken back (it hung)"),
      });
      expect(readFileSync(program()).equals(bytes)).toBe(true);
    }
    expect(calls().slice(before.length)).not.toMatch(/^(run|stop) /m);
  });

  test("a version that is taken back before install.sh has looked at it is no success", async () => {
    await install();
    publish({ "0.1.0": "one", "0.2.0": "two" });
    const digest = sha256(Buffer.from(`${FAKE}# two\n`));
    const { status, error } = await install({ environment: { FAKE_REVERTS: digest } });
    expect({ status, error }).toMatchObject({
      status: 1,
      error: expect.stringContaining("the one before runs: it hung"),
    });
    expect(readFileSync(program(), "utf8")).toContain("# one");
  });

  test("over a version that was taken back another is installed, and it is no way back", async () => {
    await install();
    publish({ "0.1.0": "one", "0.2.0": "two" });
    await install();
    const digest = sha256(readFileSync(program()));
    takeBack(digest, digest);
    publish({ "0.1.0": "one", "0.2.0": "two", "0.3.0": "three" });
    expect(await install()).toMatchObject({ status: 0 });
    expect(readFileSync(program(), "utf8")).toContain("# three");
    expect(readFileSync(`${program()}.previous`, "utf8")).toContain("# one");
  });

  test("what the network took back, and nobody installed, is tried", async () => {
    await install();
    publish({ "0.1.0": "one", "0.2.0": "two" });
    takeBack(sha256(Buffer.from(`${FAKE}# two\n`)), "0".repeat(64));
    expect(await install()).toMatchObject({ status: 0 });
    expect(readFileSync(program(), "utf8")).toContain("# two");
  });

  test("--version takes an older one", async () => {
    publish({ "0.1.0": "one", "0.2.0": "two" });
    expect((await install({ flags: ["--version", "0.1.0"] })).status).toBe(0);
    expect(readFileSync(program(), "utf8")).toContain("# one");
  });

  test("--version of none says which there are", () =>
    expectRefused("0.1.0/mycelium-linux-x64", { flags: ["--version=9.9.9"] }));

  test("--from takes a directory, and asks no server", async () => {
    altered.set("SHA256SUMS", () => new Response(null, { status: 500 }));
    const { status, out } = await install({ flags: ["--from", served] });
    expect({ status, out }).toMatchObject({ status: 0, out: expect.stringContaining(served) });
    expect(calls()).not.toContain("--update-url");
  });

  test("install.sh that lies in a release directory takes that", () => {
    const { exitCode } = Bun.spawnSync(["sh", join(served, "install.sh"), ...places()], {
      env: { PATH: tools, HOME: machine, FAKE_CALLS: join(machine, "calls") },
    });
    expect(exitCode).toBe(0);
    expect(calls()).not.toContain("--update-url");
  });

  test("four copied files are a release, where there is no network at all", () => {
    const copied = join(machine, "copied");
    mkdirSync(copied);
    for (const name of ["install.sh", "SHA256SUMS", "SHA256SUMS.sig", NAME]) {
      copyFileSync(join(served, name), join(copied, name));
    }
    const check = ["--quiet", "--strict", "--ignore-missing", "-c", "SHA256SUMS"];
    expect(Bun.spawnSync(["sha256sum", ...check], { cwd: copied }).exitCode).toBe(0);
    const unshare = Bun.which("unshare") ?? "unshare";
    const apart = process.getuid?.() === 0 ? [unshare, "-n"] : [unshare, "-rn"];
    if (!existsSync(unshare) || Bun.spawnSync([...apart, "true"]).exitCode !== 0) {
      console.log("not tested: no network namespace to be had here");
      return;
    }
    const words = [join(tools, "sh"), join(copied, "install.sh"), ...places()];
    const { exitCode, stderr } = Bun.spawnSync([...apart, ...words], {
      env: { PATH: tools, HOME: machine, FAKE_CALLS: join(machine, "calls") },
    });
    expect({ exitCode, error: stderr.toString() }).toEqual({ exitCode: 0, error: "" });
    expect(calls()).toContain("init --network=home --state");
  });

  test("--dry-run changes nothing and asks no server", async () => {
    altered.set("SHA256SUMS", () => new Response(null, { status: 500 }));
    const { status, out } = await install({ flags: ["--dry-run"] });
    expect({ status, out }).toMatchObject({
      status: 0,
      out: expect.stringContaining("SHA256SUMS"),
    });
    expect(existsSync(prefix())).toBe(false);
    expect(existsSync(state())).toBe(false);
  });

  test("--uninstall keeps the data, --purge does not", async () => {
    await install();
    expect((await install({ flags: ["--uninstall"] })).status).toBe(0);
    expect(existsSync(program())).toBe(false);
    expect(existsSync(join(prefix(), "lib/mycelium"))).toBe(false);
    expect(existsSync(join(state(), "node.key"))).toBe(true);
    expect((await install({ flags: ["--uninstall", "--purge"] })).status).toBe(0);
    expect(existsSync(state())).toBe(false);
  });

  test("wget does where there is no curl", async () => {
    tool("curl", null);
    expect((await install()).status).toBe(0);
  });

  test("a copy that is cut off anywhere does nothing", async () => {
    const whole = readFileSync(join(served, "install.sh"), "utf8").trimEnd();
    for (let cut = whole.length - 1; cut > 0; cut -= cut > whole.length - 40 ? 1 : 997) {
      const { out } = await install({ script: whole.slice(0, cut) });
      expect(out).toBe("");
    }
    expect(existsSync(prefix())).toBe(false);
  });
});

describe("a machine that will not do is told why, and keeps nothing", () => {
  test("a 32-bit processor", () => {
    tool("uname", '[ "$1" = -s ] && echo Linux || echo armv7l');
    return expectRefused("found armv7l");
  });

  test("a 32-bit system on a 64-bit processor", () => {
    tool("getconf", "echo 32");
    return expectRefused("32-bit system");
  });

  test("another system", () => {
    tool("uname", "echo Darwin");
    return expectRefused("found Darwin");
  });

  test("musl", () => {
    const script = readFileSync(join(served, "install.sh"), "utf8");
    return expectRefused("not musl", { script: script.replaceAll("loader=/lib", "loader=/none") });
  });

  test("a full disk", () => {
    tool("df", 'echo "Filesystem MB Used Available Capacity Mounted"; echo "d 9 9 300 9 /"');
    return expectRefused("300 MB free, 690 MB are needed");
  });

  test("no openssl", () => {
    tool("openssl", null);
    return expectRefused("openssl is missing");
  });

  test("neither curl nor wget", () => {
    tool("curl", null);
    tool("wget", null);
    return expectRefused("curl or wget is missing");
  });

  test("a port that is taken", () => expectRefused("not ready", { fails: "doctor" }));

  test("a program that does not run here", () =>
    expectRefused("does not run on this machine", { fails: "--launcher-verify" }));

  test("a token that is refused", () =>
    expectRefused("the join was refused", { flags: ["join", "t"], fails: "join" }));

  test("a proxy that is wrong", () =>
    expectRefused("a proxy is set in the environment", {
      environment: { no_proxy: "", http_proxy: "http://127.0.0.1:9" },
    }));

  test("no network", () =>
    expectRefused("without Internet use --from", { flags: ["--url", "http://127.0.0.1:9"] }));
});

describe("a mirror that lies is refused, and nothing is kept", () => {
  const sums = () => readFileSync(join(served, "SHA256SUMS"), "utf8");

  test("altered sums", () => {
    writeFileSync(
      join(served, "SHA256SUMS"),
      sums().replace(/^./, (digit) => (digit === "0" ? "1" : "0")),
    );
    return expectRefused("not signed by the release key");
  });

  test("sums signed by another key", () => {
    putSums(served, makeReleaseKey(), sums());
    return expectRefused("not signed by the release key");
  });

  test("a page of a captive portal", () => {
    altered.set("SHA256SUMS", () => new Response("<html>log in</html>"));
    return expectRefused("not signed by the release key");
  });

  test("an altered program", () => {
    appendFileSync(join(served, NAME), "# more\n");
    return expectRefused("was altered");
  });

  test("a program that is cut off", () => {
    altered.set(NAME, () => new Response(FAKE.slice(0, 100)));
    return expectRefused("was altered");
  });

  test("an endless download ends", () => {
    const chunk = new Uint8Array(1 << 20);
    altered.set(
      NAME,
      () => new Response(new ReadableStream({ pull: (controller) => controller.enqueue(chunk) })),
    );
    return expectRefused("cannot download");
  });

  test("the program of another architecture under this one's name", async () => {
    const other = process.arch === "x64" ? "arm64" : "x64";
    publish({ "0.1.0": "one" });
    appendFileSync(join(served, `mycelium-linux-${other}`), "# other\n");
    altered.set(NAME, () => new Response(Bun.file(join(served, `mycelium-linux-${other}`))));
    await expectRefused("was altered");
  });

  test("an upgrade that is refused leaves what runs as it is", async () => {
    await install();
    publish({ "0.2.0": "two" });
    appendFileSync(join(served, NAME), "# more\n");
    const before = calls();
    expect((await install()).status).toBe(1);
    expect(readFileSync(program(), "utf8")).toContain("# one");
    expect(existsSync(`${program()}.previous`)).toBe(false);
    expect(calls()).toBe(before);
  });
});
