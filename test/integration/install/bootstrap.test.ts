/** build/bootstrap.sh on machines that have this or that, with made-up downloads whose SHA-256 is pinned for the test. */

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const REPOSITORY = resolve(import.meta.dir, "../../..");
const PLATFORM = process.arch === "x64" ? "linux-x64" : "linux-aarch64";
const FAKE_BUN = "#!/bin/sh\necho 9.9.9\n";
const TOOLS =
  "sh awk basename cat chmod cut dirname env find getconf grep gzip head id ls mkdir mktemp mv printf rm sed sha256sum tail tar tr uname";

let root = "";
let tools = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "mycelium-bootstrap-"));
  tools = join(root, "tools");
  mkdirSync(join(root, "build"));
  mkdirSync(tools);
  cpSync(join(REPOSITORY, "build/bootstrap.sh"), join(root, "build/bootstrap.sh"));
  writeFileSync(join(root, "package.json"), '{ "packageManager": "bun@9.9.9" }');
  pin(FAKE_BUN);
  for (const tool of TOOLS.split(" ")) {
    const path = Bun.which(tool);
    if (path !== null) symlinkSync(path, join(tools, tool));
  }
});
afterEach(() => rmSync(root, { recursive: true }));

function pin(executable: string): void {
  const sha256 = createHash("sha256").update(executable).digest("hex");
  writeFileSync(join(root, "build/bun.sha256"), `${sha256}  bun-9.9.9-${PLATFORM}\n`);
}

function tool(name: string, script: string): void {
  const path = join(tools, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

/** An npm that makes the package of any name it is asked for. */
function offerNpm(executable: string): void {
  const made = join(root, "made");
  mkdirSync(join(made, "package/bin"), { recursive: true });
  writeFileSync(join(made, "package/bin/bun"), executable);
  tool("npm", `echo "$*" >>${root}/npm.calls\ntar -czf ./oven-bun.tgz -C ${made} package`);
}

/** A curl and an unzip that make the release. */
function offerCurl(executable: string): void {
  writeFileSync(join(root, "release"), executable);
  tool("curl", `echo "$*" >>${root}/curl.calls\nexit 0`);
  tool("unzip", `mkdir -p bun-${PLATFORM} && cat ${root}/release >bun-${PLATFORM}/bun`);
}

function bootstrap() {
  // Not root, whatever runs the tests: nothing may be installed on this machine.
  tool("id", "echo 1000");
  const script = '. build/bootstrap.sh; bootstrap_bun "$PWD" && echo "BUN=$BUN"';
  const { status, stdout, stderr } = spawnSync("sh", ["-eu", "-c", script], {
    cwd: root,
    env: { PATH: tools, HOME: root },
    encoding: "utf8",
  });
  return { status, out: stdout.trim(), error: stderr };
}

const cached = () => join(root, ".cache/bun-9.9.9/bun");
const replaceId = () => rmSync(join(tools, "id"), { force: true });

describe("bootstrap_bun", () => {
  beforeEach(replaceId);

  test("takes a bun of the pinned version from PATH", () => {
    tool("bun", "echo 9.9.9");
    expect(bootstrap()).toMatchObject({ status: 0, out: `BUN=${join(tools, "bun")}` });
    expect(existsSync(cached())).toBe(false);
  });

  test("does not take another version; fetches with npm by package name", () => {
    tool("bun", "echo 1.0.0");
    offerNpm(FAKE_BUN);
    expect(bootstrap()).toMatchObject({ status: 0, out: `BUN=${cached()}` });
    const calls = Bun.file(join(root, "npm.calls"));
    return expect(calls.text()).resolves.toContain(`@oven/bun-${PLATFORM}@9.9.9`);
  });

  test("works offline once it is cached", () => {
    offerNpm(FAKE_BUN);
    bootstrap();
    replaceId();
    tool("npm", "exit 1");
    expect(bootstrap()).toMatchObject({ status: 0, out: `BUN=${cached()}` });
  });

  test("without npm takes the project's release with curl", () => {
    offerCurl(FAKE_BUN);
    expect(bootstrap()).toMatchObject({ status: 0, out: `BUN=${cached()}` });
  });

  test("when npm fails takes the release", () => {
    tool("npm", "echo offline >&2; exit 1");
    offerCurl(FAKE_BUN);
    expect(bootstrap().status).toBe(0);
  });

  test("refuses an executable of another SHA-256 and keeps nothing of it", () => {
    offerNpm(`${FAKE_BUN}# altered`);
    const { status, error } = bootstrap();
    expect(status).not.toBe(0);
    expect(error).toContain("found SHA-256");
    expect(existsSync(cached())).toBe(false);
  });

  test("without any way to download says what to install", () => {
    const { status, error } = bootstrap();
    expect(status).not.toBe(0);
    expect(error).toContain("Missing here: ca-certificates curl unzip");
    expect(error).toContain("put bun of that version on PATH");
  });
});
