/** State directories, ports, clocks and settings that cannot be: the message, the exit status, and nothing left behind. */

import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { Lab } from "./lab.ts";
import { type Ending, mycelium } from "./program.ts";

/** nobody and nogroup of Debian. */
const OTHER_USER = 65_534;

const lab = new Lab("bad-state");
const node = await lab.network("home");
afterAll(() => lab.close());

function expectRefusal(ending: Ending, status: number, ...parts: string[]): void {
  expect({ status: ending.status, out: ending.out, error: ending.error }).toMatchObject({
    status,
    out: "",
  });
  for (const part of parts) expect(ending.error).toContain(part);
  expect(ending.error).not.toContain("/$bunfs/");
}

async function listener(port: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return server;
}

describe("a port that is taken", () => {
  test("is named with the flag that chooses another, for HTTP, links and gossip", async () => {
    const machine = await lab.machine("ports");
    await machine.command("init", ...machine.portFlags);
    const { httpPort, peerPort, gossipPort } = machine.place;
    for (const [port, flag] of [
      [httpPort, "--port"],
      [peerPort, "--p2p-port"],
      [gossipPort, "--gossip-port"],
    ] as const) {
      const other = await listener(port);
      const ending = await machine.run(["run"], { env: { MYCELIUM_GOSSIP: "on" } });
      expectRefusal(ending, 1, `127.0.0.1:${port}: `, "port", flag);
      await new Promise((resolve) => other.close(resolve));
    }
    machine.start();
    await machine.untilHealthy();
    await machine.kill("SIGTERM");
  });
});

describe("a state directory", () => {
  test("in which a node runs is refused to a second one, which goes on", async () => {
    for (const words of [["run"], ["init"]]) {
      expectRefusal(await node.run(words), 1, node.state, "a running node holds it", "--state");
    }
    await node.untilHealthy();
  });

  test("that is a file, or below one, is no directory", async () => {
    const file = join(lab.directory, "file");
    writeFileSync(file, "mine");
    for (const state of [file, join(file, "below")]) {
      const { status, error } = await mycelium(["init", "--state", state]);
      expect(status).toBe(1);
      expect(error).toContain(`Cannot use ${state}`);
      expect(error).toContain("needed a directory");
    }
    expect(readFileSync(file, "utf8")).toBe("mine");
  });

  test("of a newer version is refused and stays as it is", async () => {
    const machine = await lab.machine("newer");
    await machine.command("init", ...machine.portFlags);
    const mark = join(machine.state, "state.json");
    const before = readFileSync(mark, "utf8");
    const newer = before.replace('"version":1', '"version":99');
    writeFileSync(mark, newer);
    expectRefusal(await machine.run(["run"]), 1, "of version 99", "up to 1", "newer mycelium");
    expect(readFileSync(mark, "utf8")).toBe(newer);
    writeFileSync(mark, before);
    machine.start();
    await machine.untilHealthy();
    await machine.kill("SIGTERM");
  });

  test("that was copied is refused, also while the original runs", async () => {
    const machine = await lab.machine("original");
    await machine.command("init", ...machine.portFlags);
    machine.start();
    await machine.untilHealthy();
    const copy = join(lab.directory, "copy");
    cpSync(machine.state, copy, { recursive: true, filter: (path) => !path.endsWith(".sock") });
    const ending = await mycelium(["run", "--state", copy]);
    expectRefusal(ending, 1, "it is a copy of another node's directory", "--adopt", "join anew");
    await machine.untilHealthy();
    await machine.kill("SIGTERM");
  });

  test("whose key is damaged is refused with the file's name", async () => {
    const machine = await lab.machine("damaged");
    await machine.command("init", ...machine.portFlags);
    writeFileSync(join(machine.state, "node.key"), "short");
    expectRefusal(await machine.run(["run"]), 1, "node.key has 5 bytes, needed 32", "join anew");
  });

  test("of another user, or one where this user may not write, is refused", async () => {
    if (process.getuid?.() !== 0)
      return console.log("not tested: acting as another user needs root");
    const under = ["setpriv", `--reuid=${OTHER_USER}`, `--regid=${OTHER_USER}`, "--clear-groups"];
    chmodSync(lab.directory, 0o755);
    const empty = join(lab.directory, "roots");
    mkdirSync(empty);
    expectRefusal(
      await mycelium(["init", "--state", empty], { under }),
      1,
      `${empty}: it belongs to user 0, this process runs as ${OTHER_USER}`,
      "run as its owner",
    );
    const below = join(empty, "below");
    const ending = await mycelium(["init", "--state", below], { under });
    expectRefusal(ending, 1, `Cannot use ${below}`, "needed a directory this user may");
    expectRefusal(await node.run(["run"], { under }), 2, "run as its owner (sudo)", "--state");
    expectRefusal(await node.run(["status"], { under }), 1, "belongs to another user");
  });
});

describe("a clock that is off", () => {
  const faketime = Bun.which("faketime");
  const under = (offset: string) => ["faketime", "-f", offset];

  test("by six minutes keeps a machine out, with what to do", async () => {
    if (faketime === null) return console.log("not tested: the command `faketime` is missing");
    const machine = await lab.machine("late");
    const token = await node.command("token", "create", "--ttl", "24h");
    for (const [offset, found] of [
      ["+6m", "ahead of the network's"],
      ["-6m", "behind the network's"],
    ] as const) {
      const words = ["join", token, ...machine.portFlags];
      const ending = await machine.run(words, { under: under(offset) });
      expectRefusal(ending, 1, "clock is", found, "needed at most 5 m", "NTP");
      expect(existsSync(machine.state)).toBe(false);
    }
  });
});

describe("flags and settings", () => {
  const state = ["--state", join(lab.directory, "none")];

  test("that do not exist are refused with the nearest that does", async () => {
    expectRefusal(await mycelium(["run", "--prot", "3", ...state]), 2, "did you mean --port?");
    expectRefusal(await mycelium(["rnu"]), 2, "did you mean `mycelium run`?");
    const env = { MYCELIUM_PROT: "3" };
    expectRefusal(await mycelium(["run", ...state], { env }), 2, "did you mean MYCELIUM_PORT?");
  });

  test("with values that cannot be are refused with what was needed", async () => {
    for (const [flag, value, needed] of [
      ["--port", "65536", "0 to 65535"],
      ["--heartbeat-interval", "soon", "5"],
      ["--log-level", "loud", "debug"],
      ["--database-type", "postgres", "not available in this version"],
    ] as const) {
      const ending = await mycelium(["run", flag, value, ...state]);
      expectRefusal(ending, 2, value, needed);
    }
    expect(existsSync(join(lab.directory, "none"))).toBe(false);
  });

  test("in the file are judged as well", async () => {
    const machine = await lab.machine("file-settings");
    await machine.command("init", ...machine.portFlags);
    writeFileSync(join(machine.state, "config.toml"), 'PORTT = "3"\n');
    expectRefusal(await machine.run(["run"]), 2, "PORTT", "config.toml", "did you mean PORT?");
    writeFileSync(join(machine.state, "config.toml"), "PORT = = 3\n");
    expectRefusal(await machine.run(["run"]), 2, "config.toml is not TOML");
  });
});

test("no node ended by itself", () => {
  expect(lab.deaths).toEqual([]);
});
