import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCli } from "./run-cli.ts";
import { recordingTerminal } from "./testing/recording-terminal.ts";
import { NODE_B, SAMPLE_STATUS } from "./testing/sample-status.ts";

const root = mkdtempSync(join(tmpdir(), "mycelium-cli-"));
const state = join(root, "state");
mkdirSync(state);
const requests: { method: string; path: string; body: string }[] = [];
const agent = Bun.serve({
  unix: join(state, "mycelium.sock"),
  fetch: async (request) => {
    const { pathname: path } = new URL(request.url);
    requests.push({ method: request.method, path, body: await request.text() });
    if (path === "/v1/status") return Response.json(SAMPLE_STATUS);
    if (path === "/v1/tokens") {
      const token = "myc1-token";
      return Response.json({
        token,
        role: "validator",
        class: "sclerotium",
        uses: 1,
        expiresAtMs: 0,
      });
    }
    if (path === "/v1/sql-tokens") {
      const url = "http://127.0.0.1:8080";
      return Response.json({ token: "jwt", mode: "ro", expiresAtMs: null, url });
    }
    if (path.startsWith("/v1/nodes/")) return Response.json({ removed: path.slice(10) });
    const error = { code: "NO_QUORUM", message: "Cannot leave: no quorum" };
    return Response.json({ error }, { status: 503 });
  },
});
afterAll(async () => {
  await agent.stop(true);
  rmSync(root, { recursive: true });
});

async function run(...argv: string[]) {
  const terminal = recordingTerminal();
  const status = await runCli(argv, terminal);
  return { status, out: terminal.outLines.join("\n"), error: terminal.errorLines.join("\n") };
}

describe("the command line", () => {
  test("without a command shows help on standard error and fails", async () => {
    const { status, out, error } = await run();
    expect(status).toBe(2);
    expect(out).toBe("");
    expect(error).toContain("mycelium init --network home");
  });

  test("a typo is answered with the nearest command", async () => {
    expect(await run("statsu")).toMatchObject({ status: 2, out: "" });
    expect((await run("statsu")).error).toContain("did you mean `mycelium status`");
    expect((await run("token", "crate")).error).toContain("did you mean `mycelium token create`");
  });

  test("an unknown flag is refused with the nearest one", async () => {
    const { status, error } = await run("status", "--jsn");
    expect(status).toBe(2);
    expect(error).toContain("no flag --jsn (did you mean --json?)");
  });

  test("every command has help with an example, on standard output", async () => {
    const { out } = await run("--help");
    const names = [...out.matchAll(/^ {2}([a-z]+) {2,}[A-Z]/gm)].map(([, name]) => name!);
    expect(names.length).toBeGreaterThan(12);
    for (const name of names) {
      const { status, out } = await run(name, "--help");
      expect(status).toBe(0);
      expect(out).toMatch(/Examples\n {2}\S+/);
    }
  });

  test("help COMMAND and -h say the same as --help", async () => {
    const { out } = await run("token", "create", "--help");
    expect((await run("help", "token", "create")).out).toBe(out);
    expect((await run("token", "create", "-h")).out).toBe(out);
  });

  test("a bad setting is a usage error that names it", async () => {
    const { status, error } = await run("config", "--state", state, "--port", "99999");
    expect(status).toBe(2);
    expect(error).toContain("--port");
    expect(error).toContain("65535");
  });

  test("with --json an error is one JSON object on standard error", async () => {
    const { status, out, error } = await run("leave", "--state", state, "--json");
    expect(status).toBe(1);
    expect(out).toBe("");
    expect(JSON.parse(error)).toEqual({
      error: { code: "NO_QUORUM", message: "Cannot leave: no quorum" },
    });
  });

  test("no agent is status 3", async () => {
    expect((await run("status", "--state", join(root, "none"))).status).toBe(3);
  });

  test("a state directory whose socket cannot be bound is said", async () => {
    const { status, error } = await run("status", "--state", `/tmp/${"x".repeat(120)}`);
    expect(status).toBe(2);
    expect(error).toContain("choose a shorter path");
  });

  test("version --json has the version", async () => {
    expect(JSON.parse((await run("version", "--json")).out)).toMatchObject({ bun: Bun.version });
  });
});

describe("status", () => {
  test("shows on one screen what is wrong and what to do", async () => {
    const { status, out } = await run("status", "--state", state);
    expect(status).toBe(0);
    expect(out).toContain("1 problem");
    expect(out).toContain("Writes have stopped");
    expect(out).toContain("do:  start it, or add a third node");
    expect(out).toContain("led by this node");
    expect(out.split("\n").length).toBeLessThan(24);
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThan(100);
  });

  test("--json prints the agent's own object", async () => {
    const { out } = await run("status", "--json", "--state", state);
    expect(JSON.parse(out)).toEqual(JSON.parse(JSON.stringify(SAMPLE_STATUS)));
  });

  test("--check fails on a fault", async () => {
    expect((await run("status", "--check", "--state", state)).status).toBe(1);
  });
});

describe("token create", () => {
  test("prints the token alone on standard output, hints on standard error", async () => {
    const { status, out, error } = await run("token", "create", "--state", state);
    expect({ status, out }).toEqual({ status: 0, out: "myc1-token" });
    expect(error).toContain("mycelium join TOKEN");
  });

  test("passes role, class, time and uses on", async () => {
    const flags = ["--role=miner", "--class", "rhizomorph", "--ttl", "2h", "--uses", "3"];
    await run("token", "create", "--state", state, ...flags);
    expect(JSON.parse(requests.at(-1)!.body)).toEqual({
      role: "miner",
      class: "rhizomorph",
      ttlMs: 7_200_000,
      uses: 3,
    });
  });

  test("--sql makes a token for clients", async () => {
    const { out } = await run("token", "create", "--sql", "ro", "--state", state);
    expect(out).toBe("jwt");
    expect(JSON.parse(requests.at(-1)!.body)).toEqual({ mode: "ro" });
  });

  test("refuses what cannot be", async () => {
    for (const flags of [
      ["--role=boss"],
      ["--uses=0"],
      ["--uses=x"],
      ["--ttl=soon"],
      ["--sql=rx"],
    ]) {
      expect((await run("token", "create", "--state", state, ...flags)).status).toBe(2);
    }
    expect((await run("token", "create", "--sql=rw", "--uses=2", "--state", state)).status).toBe(2);
  });
});

describe("node", () => {
  test("list shows whole ids, this node first", async () => {
    const nodes = JSON.parse((await run("node", "list", "--json", "--state", state)).out);
    expect(nodes.map(({ id, link }: { id: string; link: string }) => [id, link])).toEqual([
      [SAMPLE_STATUS.node.id, "self"],
      [NODE_B, "down"],
    ]);
  });

  test("remove takes the last letters that status shows", async () => {
    const { status, out } = await run("node", "remove", `…${NODE_B.slice(-8)}`, "--state", state);
    expect(status).toBe(0);
    expect(out).toBe(`Removed ${NODE_B}`);
    expect((await run("node", "remove", "zzzzzzzz", "--state", state)).status).toBe(2);
  });
});

describe("config", () => {
  test("says where each value comes from", async () => {
    const directory = join(root, "configured");
    mkdirSync(directory);
    writeFileSync(join(directory, "config.toml"), 'PORT = "8123"\n');
    const { out } = await run("config", "--json", "--state", directory, "--p2p-port", "9123");
    const byName = new Map(JSON.parse(out).map((one: { name: string }) => [one.name, one]));
    expect(byName.get("PORT")).toMatchObject({ value: "8123", source: "file" });
    expect(byName.get("P2P_PORT")).toMatchObject({ value: "9123", source: "flag" });
    expect(byName.get("MAX_PEERS")).toMatchObject({ source: "default" });
  });

  test("a file that was named must be there", async () => {
    expect((await run("config", "--config", join(root, "none.toml"))).status).toBe(2);
  });
});

test("doctor names a taken port and the flag to choose another", async () => {
  const other = createServer();
  const port = await new Promise<number>((resolve) => {
    other.listen(0, "127.0.0.1", () => {
      const address = other.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
  const fresh = join(root, "fresh");
  const { status, out } = await run(
    "doctor",
    `--state=${fresh}`,
    "--host=127.0.0.1",
    `--port=${port}`,
    "--p2p-port=0",
    "--gossip-port=0",
  );
  expect(status).toBe(1);
  expect(out).toContain(`PORT ${port} is taken`);
  expect(out).toContain("--port");
  await new Promise((resolve) => other.close(resolve));
});
