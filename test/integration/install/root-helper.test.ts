/** The root helper: what it does, what it refuses, and that it refuses before anything has happened. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { installLauncher, RootHelper } from "../../../src/adapters/privileged/index.ts";
import { agentUid, ask, compileHelper, isRoot } from "./helper-fixture.ts";
import { makeReleaseKey, putSums, sha256 } from "./release-fixture.ts";
import { shippedFile } from "./shipped-file.ts";

const NAME = `mycelium-linux-${process.arch}`;
const LAUNCHER = resolve(import.meta.dir, "../../../dist/mycelium");
const FUZZ_COUNT = 50_000;
const key = makeReleaseKey();
const root = mkdtempSync(join(tmpdir(), "mycelium-helper-"));
// The agent's user walks through it.
chmodSync(root, 0o755);
const helper = compileHelper(root);

let machine = "";
beforeEach(() => {
  machine = mkdtempSync(join(root, "machine-"));
  mkdirSync(join(machine, "bin"));
  mkdirSync(join(machine, "tools"));
  mkdirSync(update(), { recursive: true });
  chownSync(state(), agentUid, agentUid);
  for (const tool of ["openssl"]) symlinkSync(Bun.which(tool)!, join(machine, "tools", tool));
  writeFileSync(join(machine, "release.pem"), key.publicPem);
  writeFileSync(program(), shippedFile({ version: "0.2.0" }));
  offer(shippedFile({ version: "0.2.1" }));
});
beforeAll(() => {
  if (helper === null) console.log("not tested: no C compiler here to build native/root-helper");
});
afterAll(() => rmSync(root, { recursive: true }));

const program = () => join(machine, "bin/mycelium");
const state = () => join(machine, "state");
const update = () => join(state(), "update/launcher");
const command = (executable = [helper ?? ""]) => [
  ...executable,
  ...["--program", program(), "--key", join(machine, "release.pem")],
  ...["--state", state(), "--tools", join(machine, "tools")],
];

/** What the agent hands over: a file and the sums of its release. */
function offer(file: Uint8Array, sums = `${sha256(file)}  0.2.1/${NAME}\n`): void {
  writeFileSync(join(update(), "mycelium"), file);
  putSums(update(), key, sums);
}

async function answer(request: string, uid = agentUid): Promise<string> {
  if (helper === null) throw new Error("no helper");
  const { answers } = await ask({ command: command(), requests: [request], uid });
  return answers[0]!;
}

const install = () => answer(`install-launcher ${update()}\n`);

/** Says why, and leaves the program as it was and nothing beside it. */
async function expectRefused(words: string, request?: string): Promise<void> {
  const before = readFileSync(program());
  expect(await (request === undefined ? install() : answer(request))).toContain(words);
  expect(readFileSync(program()).equals(before)).toBe(true);
  expect(readdirSync(join(machine, "bin"))).toEqual(["mycelium"]);
}

describe.if(helper !== null)("install-launcher", () => {
  test("puts a release's file in place and keeps its predecessor", async () => {
    const before = readFileSync(program());
    expect(await install()).toBe("ok 0.2.1\n");
    expect(readFileSync(program()).equals(readFileSync(join(update(), "mycelium")))).toBe(true);
    expect(statSync(program())).toMatchObject({ mode: 0o100755, uid: process.getuid?.() });
    expect(readFileSync(`${program()}.previous`).equals(before)).toBe(true);
    expect(readdirSync(join(machine, "bin")).sort()).toEqual(["mycelium", "mycelium.previous"]);
  });

  test("as it is linked into the launcher, without a C library", async () => {
    if (!existsSync(LAUNCHER)) {
      console.log(`not tested: ${LAUNCHER} is not built`);
      return;
    }
    const requests = [`install-launcher ${update()}\n`];
    const { answers } = await ask({ command: command([LAUNCHER, "--root-helper"]), requests });
    expect(answers).toEqual(["ok 0.2.1\n"]);
    expect(readdirSync(join(machine, "bin")).sort()).toEqual(["mycelium", "mycelium.previous"]);
  });

  test("the same again is no error; neither is a missing or a damaged program", async () => {
    await install();
    expect(await install()).toBe("ok 0.2.1\n");
    writeFileSync(program(), "damaged");
    expect(await install()).toBe("ok 0.2.1\n");
    rmSync(program());
    expect(await install()).toBe("ok 0.2.1\n");
  });

  test("refuses a version older than the installed one, however well signed", () => {
    const file = shippedFile({ version: "0.2.0-rc.1" });
    offer(file);
    return expectRefused("0.2.0-rc.1 is older than the installed 0.2.0");
  });

  test("refuses sums that are not signed by the key", async () => {
    putSums(update(), makeReleaseKey(), readFileSync(join(update(), "SHA256SUMS"), "utf8"));
    await expectRefused("not signed");
    writeFileSync(join(update(), "SHA256SUMS.sig"), "");
    await expectRefused("not signed");
    rmSync(join(update(), "SHA256SUMS.sig"));
    await expectRefused("SHA256SUMS.sig cannot be read");
  });

  test("refuses a file that the sums do not have, or have under another machine's name", async () => {
    const file = shippedFile({ version: "0.2.1" });
    offer(file, `${"0".repeat(64)}  ${NAME}\n`);
    await expectRefused("none of this release");
    offer(file, `${sha256(file)}  mycelium-linux-s390x\n${sha256(file)}  not-${NAME}x\n`);
    await expectRefused("none of this release");
    writeFileSync(join(update(), "mycelium"), Buffer.concat([file, Buffer.from("x")]));
    await expectRefused("none of this release");
  });

  test("refuses a file whose trailer does not fit it, even if it is signed", async () => {
    offer(shippedFile({ version: "0.2.1", machine: 8 }));
    await expectRefused("another kind of machine");
    offer(shippedFile({ version: "0.2.1", launcherSha256: Buffer.alloc(32) }));
    await expectRefused("not what its trailer says");
    offer(Buffer.from("short"));
    await expectRefused("too short");
    offer(Buffer.alloc(9_000));
    await expectRefused("no payload");
  });

  test("refuses a key that others could have written, and none at all", async () => {
    chmodSync(join(machine, "release.pem"), 0o666);
    await expectRefused("no release key");
    rmSync(join(machine, "release.pem"));
    await expectRefused("no release key");
  });

  test("refuses without openssl", async () => {
    rmSync(join(machine, "tools/openssl"));
    await expectRefused("openssl cannot be run");
  });

  test("follows no link and waits for no pipe", async () => {
    const aside = join(machine, "aside");
    copyFileSync(join(update(), "mycelium"), aside);
    rmSync(join(update(), "mycelium"));
    symlinkSync(aside, join(update(), "mycelium"));
    await expectRefused("mycelium cannot be read");
    rmSync(join(update(), "mycelium"));
    spawnSync("mkfifo", [join(update(), "mycelium")]);
    await expectRefused("mycelium cannot be read");
    symlinkSync(update(), join(state(), "link"));
    await expectRefused("cannot be opened", `install-launcher ${state()}/link\n`);
  });

  test("refuses a file that is too large before it reads it", async () => {
    truncateSync(join(update(), "mycelium"), 129 * 1_024 * 1_024);
    await expectRefused("mycelium cannot be read");
  });

  test("refuses a directory outside the state directory", async () => {
    for (const path of [
      `${machine}/bin`,
      "/",
      `${state()}`,
      `${state()}-x/update`,
      `${state()}/../bin`,
    ]) {
      await expectRefused("refused ", `install-launcher ${path}\n`);
    }
  });
});

describe.if(helper !== null)("who asks and how", () => {
  test("only the owner of the state directory is served", async () => {
    if (!isRoot) {
      console.log("not tested: only root can be somebody else");
      return;
    }
    const request = `install-launcher ${update()}\n`;
    expect(await answer(request, agentUid - 1)).toStartWith("refused only the owner");
    expect(await answer(request, 0)).toStartWith("refused only the owner");
    chownSync(state(), 0, 0);
    expect(await answer(request, 0)).toStartWith("refused only the owner");
    expect(existsSync(`${program()}.previous`)).toBe(false);
  });

  test("hostile requests are refused before anything happens", async () => {
    writeFileSync(join(machine, "tools/systemctl"), `#!/bin/sh\ntouch ${machine}/ran\n`, {
      mode: 0o755,
    });
    const hostile = [
      ...[
        "",
        "\n",
        "\0\n",
        " \n",
        "unit\n",
        "unit start\n",
        "unit start sshd\n",
        "unit start k3s.service\n",
      ],
      ...[
        "unit start k3s;reboot\n",
        "unit start $(id)\n",
        "unit start k3s\nunit stop k3s\n",
        "unit start k3s",
      ],
      ...[
        "unit  start k3s\n",
        " unit start k3s\n",
        "unit start k3s \n",
        "unit restart k3s\n",
        "UNIT start k3s\n",
      ],
      ...[
        "interface create eth0 bridge\n",
        "interface create my bridge\n",
        "interface create myc bridge\n",
      ],
      ...["interface create myc/../x bridge\n", "interface create myc0123456789abc bridge\n"],
      ...[
        "interface create myc0 veth\n",
        "interface change myc0 mtu 1\n",
        "interface change myc0 mtu 01500\n",
      ],
      ...["interface change myc0 address 1.2.3.4\n", "interface change myc0 address 1.2.3.4/33\n"],
      ...[
        "interface change myc0 address 1.2.3.256/24\n",
        "interface change myc0 address ::1::/64\n",
      ],
      ...["interface change myc0 address 1:2:3:4:5:6:7:8:9/64\n", "interface delete lo\n"],
      ...["install-launcher\n", "install-launcher relative\n", `${"x".repeat(4_096)}\n`, "help\n"],
    ];
    for (const request of hostile) {
      expect({ request, answer: await answer(request) }).toEqual({
        request,
        answer: expect.stringMatching(/^refused [^\n]+\n$/),
      });
    }
    expect(existsSync(join(machine, "ran"))).toBe(false);
  });

  test("its readers hold on made-up input", () => {
    const { status, stdout } = spawnSync(helper!, ["--fuzz", "1", String(FUZZ_COUNT)]);
    expect(status).toBe(0);
    // Not all is refused at the first byte.
    expect(Number(stdout.toString())).toBeGreaterThan(FUZZ_COUNT / 100);
  });
});

describe.if(helper !== null)("units and interfaces", () => {
  test("units go to systemctl with fixed words and an environment of the helper's own", async () => {
    const script = `#!/bin/sh\necho "$*" >>${machine}/calls\nenv | cut -d= -f1 | sort | tr '\\n' ' ' >${machine}/names\necho active\n`;
    writeFileSync(join(machine, "tools/systemctl"), script, { mode: 0o755 });
    expect(await answer("unit start k3s\n")).toBe("ok mycelium-k3s.service\n");
    expect(await answer("unit stop qemu\n")).toBe("ok mycelium-qemu.service\n");
    expect(await answer("unit status wireguard\n")).toBe("ok active\n");
    expect(readFileSync(join(machine, "calls"), "utf8").trim().split("\n")).toEqual([
      "--no-ask-password --quiet start mycelium-k3s.service",
      "--no-ask-password --quiet stop mycelium-qemu.service",
      "show --property=ActiveState --value mycelium-wireguard.service",
    ]);
    expect(readFileSync(join(machine, "names"), "utf8")).not.toContain("ASAN_OPTIONS");
    writeFileSync(join(machine, "tools/systemctl"), "#!/bin/sh\nexit 5\n", { mode: 0o755 });
    expect(await answer("unit start k3s\n")).toStartWith("failed systemctl could not");
  });

  test("an interface is made, changed and removed", async () => {
    const works =
      spawnSync("unshare", ["-n", "ip", "link", "add", "myc0", "type", "bridge"]).status === 0;
    if (!works) {
      console.log("not tested: no network namespace with a bridge to be had here");
      return;
    }
    const requests = [
      "interface create myc0 bridge\n",
      "interface change myc0 mtu 1420\n",
      "interface change myc0 address 10.9.8.7/24\n",
      "interface change myc0 address fd00::7/64\n",
      "interface change myc0 up\n",
      "interface change myc0 no-address 10.9.8.7/24\n",
      "interface create myc0 bridge\n",
      "interface delete myc0\n",
    ];
    const run = `'${command().join("' '")}'`;
    // A shell knows descriptors of one digit.
    const steps = requests.map((_, i) => `${run} <&${i === 0 ? 0 : i + 2}`);
    steps.splice(-1, 0, "ip -o addr show myc0; ip -o link show myc0");
    const { answers, out } = await ask({
      command: ["unshare", "-n", "sh", "-c", steps.join("\n")],
      requests,
    });
    expect(answers.slice(0, 6)).toEqual(Array(6).fill("ok myc0\n"));
    expect(answers[6]).toStartWith("failed ");
    expect(answers[7]).toBe("ok myc0\n");
    expect(out).toContain("mtu 1420");
    expect(out).toContain("fd00::7/64");
    expect(out).toContain("UP");
    expect(out).not.toContain("10.9.8.7");
  });
});

describe.if(helper !== null)("the client", () => {
  /** Listens as systemd does, and gives each connection's line to a helper of its own. */
  async function withHelper(use: (socketPath: string) => Promise<void>): Promise<void> {
    const path = join(machine, "helper.sock");
    const server = createServer((socket) => {
      socket.once("data", async (line) => socket.end(await answer(line.toString("latin1"))));
    });
    await new Promise<void>((listening) => server.listen(path, listening));
    try {
      await use(path);
    } finally {
      await new Promise((closed) => server.close(closed));
    }
  }

  test("asks in types and gets what happened, or the refusal", () =>
    withHelper(async (path) => {
      const client = new RootHelper(path);
      expect(await client.installLauncher(update())).toBe("0.2.1");
      expect(client.installLauncher("/elsewhere")).rejects.toMatchObject({
        code: "UPDATE_REFUSED",
      });
      expect(client.createInterface("eth0", "bridge")).rejects.toMatchObject({ code: "FORBIDDEN" });
      expect(client.startUnit("k3s")).rejects.toMatchObject({ code: "STATE_NOT_WRITABLE" });
      const change = { kind: "address", address: "10.1.2.3" } as const;
      await expect(client.changeInterface("myc0", change)).rejects.toThrow(/10\.1\.2\.3\/24/);
    }));

  test("without a helper says so", async () => {
    const client = new RootHelper(join(machine, "none.sock"));
    await expect(client.unitState("k3s")).rejects.toMatchObject({ code: "NOT_RUNNING" });
  });

  test("who owns the program renames it himself", async () => {
    const before = readFileSync(program());
    const helperSocket = join(machine, "none.sock");
    await installLauncher({ program: program(), directory: update(), helperSocket });
    expect(readFileSync(program()).equals(readFileSync(join(update(), "mycelium")))).toBe(true);
    expect(readFileSync(`${program()}.previous`).equals(before)).toBe(true);
    expect(readdirSync(join(machine, "bin")).sort()).toEqual(["mycelium", "mycelium.previous"]);
  });
});
