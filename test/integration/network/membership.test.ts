/** A network's life by its commands: init, run, token create, join, status, leave, node remove, and starts again. */

import { afterAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../../cluster/processes.ts";
import { Lab } from "./lab.ts";
import { EXECUTABLE } from "./program.ts";

const lab = new Lab("membership");
const first = await lab.machine("first");
const second = await lab.machineByEnvironment("second");
const miner = await lab.machine("miner");
afterAll(() => lab.close());

test("init makes a network, says its id and the next command, and asks for no agent", async () => {
  const made = await first.run(["init", "--network", "home", ...first.portFlags]);
  expect(made.status).toBe(0);
  expect(made.out).toMatch(/^Made the network home \([0-9a-f]{64}\)\nThis node is 12D3Koo\w+/);
  expect(made.error).toContain("`mycelium run` starts the node");
});

test("a command for a running node says with status 3 that none runs, and what to type", async () => {
  for (const words of [["status"], ["token", "create"], ["leave"], ["sql", "SELECT 1"], ["stop"]]) {
    const { status, out, error } = await first.run(words);
    expect({ words, status, out }).toEqual({ words, status: 3, out: "" });
    expect(error).toContain("mycelium run");
  }
});

test("run starts it; status --json has what scripts read", async () => {
  first.start();
  await first.untilHealthy();
  const { status, out } = await first.run(["status", "--json"]);
  expect(status).toBe(0);
  const picture = JSON.parse(out);
  expect(picture).toMatchObject({
    node: { id: first.id, class: "sclerotium", role: "validator" },
    network: { id: expect.stringMatching(/^[0-9a-f]{64}$/), name: "home" },
    raft: { leader: first.id, term: expect.any(Number) },
    store: { applied: expect.any(Number) },
    healthy: true,
    problems: [],
  });
});

test("token create prints the token alone on standard output, hints on standard error", async () => {
  const { status, out, error } = await first.run(["token", "create"]);
  expect(status).toBe(0);
  expect(out).toMatch(/^myc1[a-z2-7]+$/);
  expect(error).toContain("mycelium join TOKEN");
});

test("another machine joins; its ports come from the environment, and both see each other", async () => {
  const joined = await second.run(["join", await first.command("token", "create")]);
  expect(joined).toMatchObject({ status: 0 });
  expect(joined.out).toMatch(/^Joined the network home /);
  second.start();
  const seen = await second.untilHealthy(1);
  const { host, httpPort, peerPort } = second.place;
  expect(seen.listen).toMatchObject({ http: `${host}:${httpPort}`, peer: `${host}:${peerPort}` });
  expect(seen.network).toEqual((await first.untilHealthy(1)).network);
  await until("the second vote", async () => {
    const { raft } = await second.status();
    const [{ replicas } = { replicas: [] }] = raft.groups.filter(({ id }) => id === "main");
    return replicas.filter(({ voter }) => voter).length === 2 || null;
  });
});

test("a miner joins, reads, and may not write", async () => {
  const token = await first.command("token", "create", "--role", "miner");
  await miner.command("join", token, ...miner.portFlags);
  miner.start();
  expect((await miner.untilHealthy(2)).node).toMatchObject({
    role: "miner",
    class: "rhizomorph",
    voteWeight: 0,
  });
  await first.command("sql", "CREATE TABLE notes (body TEXT)");
  await first.command("sql", "INSERT INTO notes VALUES ('moss')");
  const read = await miner.run(["sql", "SELECT body FROM notes", "--format", "csv"]);
  expect(read).toEqual({ status: 0, out: "body\r\nmoss", error: "" });
  const written = await miner.run(["sql", "INSERT INTO notes VALUES ('x')"]);
  expect(written).toMatchObject({ status: 1, out: "" });
  expect(written.error).toContain("it only reads; send writes to a validator");
  for (const words of [
    ["token", "create"],
    ["token", "create", "--sql", "rw"],
  ]) {
    const refused = await miner.run(words);
    expect(refused).toMatchObject({ status: 1, out: "" });
    expect(refused.error).toMatch(/this node is (no validator|a miner); ask/);
  }
});

test("a miner that starts again under another address is known by it to all", async () => {
  await miner.kill("SIGTERM");
  const moved = { MYCELIUM_ADVERTISE: `${miner.place.host},localhost` };
  const again = lab.machineAt(miner.place, "moved", moved, miner.state);
  again.start();
  for (const node of [first, second]) {
    await until("the new address", async () => {
      const { peers } = await node.status();
      const addresses = peers.find(({ role }) => role === "miner")?.addresses ?? [];
      return addresses.includes(`localhost:${miner.place.peerPort}`) || null;
    });
  }
  await again.kill("SIGTERM");
  miner.start();
  await miner.untilHealthy(2);
});

test("status for people is one screen and names the network, peers and shards", async () => {
  const { status, out } = await first.run(["status"]);
  expect(status).toBe(0);
  expect(out).toMatch(/^. healthy {2}home, 3 nodes, led by/);
  for (const word of ["system", "main", "validator", "miner", second.id.slice(-8)]) {
    expect(out).toContain(word);
  }
  expect(out.split("\n").length).toBeLessThan(30);
});

test("status --watch adds a picture a look until it is interrupted", async () => {
  const words = ["status", "--watch", "--json", "--interval", "100ms", "--state", first.state];
  const child = Bun.spawn([EXECUTABLE, ...words], { stdout: "pipe", stderr: "pipe" });
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    text += decoder.decode(chunk, { stream: true });
    if (text.split("\n").length > 3) break;
  }
  child.kill("SIGINT");
  await child.exited;
  const pictures = text
    .split("\n")
    .slice(0, 3)
    .map((line) => JSON.parse(line));
  expect(pictures.map(({ network }) => network.name)).toEqual(["home", "home", "home"]);
});

test("a restart needs no token and no flags", async () => {
  const before = await second.status();
  await second.kill("SIGTERM");
  second.start();
  const after = await second.untilHealthy(2);
  expect(after.node.id).toBe(before.node.id);
  expect(after.listen).toEqual(before.listen);
  await first.kill("SIGTERM");
  first.start();
  await first.untilHealthy(2);
  expect(await first.command("sql", "SELECT body FROM notes", "--format", "csv")).toBe(
    "body\r\nmoss",
  );
});

test("a directory that holds a node is no place for another, and stays as it is", async () => {
  const token = await first.command("token", "create");
  for (const words of [["init"], ["join", token]]) {
    const { status, error } = await second.run(words);
    expect(status).toBe(1);
    expect(error).toMatch(/running node|leave/);
  }
  await miner.kill("SIGTERM");
  const before = readdirSync(miner.state).sort();
  for (const words of [["init"], ["join", token]]) {
    const { status, error } = await miner.run(words);
    expect(status).toBe(1);
    expect(error).toContain(`${miner.state} holds a node of a network already`);
    expect(error).toContain("mycelium leave");
  }
  expect(readdirSync(miner.state).sort()).toEqual(before);
});

test("a node id that is present already is not given a second time", async () => {
  const key = readFileSync(join(second.state, "node.key")).toString("hex");
  const other = await lab.machine("same-id");
  const token = await first.command("token", "create");
  const { status, out, error } = await other.run(["join", token, ...other.portFlags], {
    env: { MYCELIUM_PRIVATE_KEY: key },
  });
  expect({ status, out }).toEqual({ status: 1, out: "" });
  expect(error).toMatch(/Cannot join: a node with this id is already a member; .*--state/);
  expect(error).not.toContain(key);
  expect(existsSync(other.state)).toBe(false);
});

test("node remove takes a node that has vanished out; it may not come back", async () => {
  const listed = JSON.parse(await first.command("node", "list", "--json"));
  expect(listed.map(({ id }: { id: string }) => id).sort()).toEqual(
    [first.id, second.id, miner.id].sort(),
  );
  const gone = miner.id;
  const nobody = await first.run(["node", "remove", `${miner.id.slice(0, -4)}1111`]);
  expect(nobody.status).not.toBe(0);
  expect(nobody.error).toContain("mycelium node list");
  expect(await first.run(["node", "remove", miner.id])).toMatchObject({ status: 0 });
  await until("a list without it", async () =>
    (await second.status()).peers.length === 1 ? true : null,
  );
  miner.start();
  const told = await until("the removed node's problem", async () => {
    const { problems } = await miner.status();
    return problems.find(({ what }) => what.includes("no member")) ?? null;
  });
  expect(told.todo).toContain("mycelium leave --wipe");
  expect(await miner.run(["leave", "--wipe"])).toMatchObject({ status: 0 });
  await until("the miner's end", async () => (miner.isUp ? null : true));
  await miner.command("join", await first.command("token", "create", "--role", "miner"));
  miner.start();
  expect((await miner.untilHealthy(2)).node.id).not.toBe(gone);
});

test("leave takes a node out, the other goes on, and its directory can join anew", async () => {
  const leaver = second.id;
  lab.deaths.length = 0;
  expect(await second.run(["leave", "--wipe"])).toMatchObject({ status: 0 });
  expect(existsSync(join(second.state, "node.key"))).toBe(false);
  expect(existsSync(join(second.state, "mycelium.db"))).toBe(false);
  await until("the second's end", async () => (second.isUp ? null : true));
  await first.untilHealthy(1);
  expect((await first.status()).peers.map(({ id }) => String(id))).toEqual([miner.id]);
  await first.command("sql", "INSERT INTO notes VALUES ('fern')");
  await second.command("join", await first.command("token", "create"));
  second.start();
  expect((await second.untilHealthy(2)).node.id).not.toBe(leaver);
  expect(await second.command("sql", "SELECT count(*) FROM notes", "--format", "csv")).toContain(
    "2",
  );
});

test("node remove takes out one of two voters that runs, and the other goes on", async () => {
  await until("two voters", async () => {
    const { groups } = (await first.status()).raft;
    const voters = groups.map(({ replicas }) => replicas.filter(({ voter }) => voter));
    return voters.every((each) => each.length === 2) || null;
  });
  const { id } = (await second.status()).node;
  expect(await first.run(["node", "remove", id])).toMatchObject({ status: 0 });
  await first.command("sql", "INSERT INTO notes VALUES ('alone')");
  await until("the removed node's problem", async () => {
    const { problems } = await second.status();
    return problems.some(({ what }) => what.includes("no member")) || null;
  });
});
