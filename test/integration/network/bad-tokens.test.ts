/** Tokens that do not hold: what is said of them, the exit status, and that nothing of a node is left behind. */

import { afterAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { until } from "../../cluster/processes.ts";
import { SqlClient } from "../../cluster/sql-client.ts";
import { Lab } from "./lab.ts";

const lab = new Lab("bad-tokens");
const node = await lab.network("home");
const joiner = await lab.machine("joiner");
afterAll(() => lab.close());

describe("a join token", () => {
  async function expectRefusal(token: string, ...parts: string[]): Promise<void> {
    const { status, out, error } = await joiner.run(["join", token, ...joiner.portFlags]);
    expect({ status, out }).toEqual({ status: 1, out: "" });
    for (const part of ["Cannot join", ...parts]) expect(error).toContain(part);
    expect(existsSync(joiner.state)).toBe(false);
  }

  test("that was mistyped, cut short, lengthened, or is none, is told before anything is asked", async () => {
    const token = await node.command("token", "create");
    const letter = token[40] === "a" ? "b" : "a";
    await expectRefusal(
      `${token.slice(0, 40)}${letter}${token.slice(41)}`,
      "a letter is wrong; copy it again",
    );
    await expectRefusal(token.slice(0, -7), "cut short, needed", "copy the whole line");
    await expectRefusal(`${token}aa`, "too long");
    await expectRefusal("hello", 'does not begin with "myc1"', "mycelium token create");
    await expectRefusal(await node.command("token", "create", "--sql", "rw"), "no join token");
  });

  test("as people paste it (upper case, spaces, line breaks) is taken, from standard input too", async () => {
    const token = await node.command("token", "create");
    const pasted = `  ${token.slice(0, 50).toUpperCase()}\n ${token.slice(50)}\n`;
    const joined = await joiner.run(["join", "-", ...joiner.portFlags], { input: pasted });
    expect(joined).toMatchObject({ status: 0 });
    // The network holds the member that never ran; it can be taken out.
    const [, id = ""] = /This node is (\S+),/.exec(joined.out) ?? [];
    expect(await node.run(["node", "remove", id])).toMatchObject({ status: 0 });
    await joiner.run(["init"]);
    expect(existsSync(joiner.state)).toBe(true);
  });
});

describe("a join token the network refuses", () => {
  async function expectRefusal(token: string, ...parts: string[]): Promise<void> {
    const other = await lab.machine("refused");
    const { status, out, error } = await other.run(["join", token, ...other.portFlags]);
    expect({ status, out }).toEqual({ status: 1, out: "" });
    for (const part of ["Cannot join", ...parts]) expect(error).toContain(part);
    expect(existsSync(other.state)).toBe(false);
  }

  test("because it has been used up", async () => {
    const token = await node.command("token", "create");
    const user = await lab.machine("user");
    const used = await user.run(["join", token, ...user.portFlags]);
    expect(used.status).toBe(0);
    await expectRefusal(token, "used as often as it may be", "mycelium token create");
    const [, id = ""] = /This node is (\S+),/.exec(used.out) ?? [];
    await node.command("node", "remove", id);
  });

  test("because it has expired", async () => {
    const made = await node.command("token", "create", "--ttl", "1s", "--json");
    const { token, expiresAtMs } = JSON.parse(made);
    await until("its expiry", async () => Date.now() > expiresAtMs || null);
    await expectRefusal(token, "expired", "ago; create a new one with `mycelium token create`");
  });

  test("because another network answers at its address, or nobody", async () => {
    const first = await lab.network("first");
    const token = await first.command("token", "create");
    await first.kill("SIGTERM");
    await expectRefusal(token, "no node answered", "nothing listens there", "check that they run");
    const second = lab.machineAt(first.place, "second");
    await second.command("init", ...second.portFlags);
    second.start();
    await second.untilHealthy();
    await expectRefusal(token, "of another network", "mycelium token create");
    await second.kill("SIGTERM");
  });
});

describe("an SQL token", () => {
  const url = `http://127.0.0.1:${node.target.port}/v3/pipeline`;
  const body = JSON.stringify({ requests: [{ type: "execute", stmt: { sql: "SELECT 1" } }] });

  async function expect401(authorization: string | null, part: string): Promise<void> {
    const headers: Record<string, string> =
      authorization === null ? {} : { Authorization: authorization };
    const answer = await fetch(url, { method: "POST", body, headers });
    const { message } = (await answer.json()) as { message: string };
    expect({ status: answer.status, message }).toMatchObject({ status: 401 });
    expect(message).toContain(part);
    expect(message).toContain("mycelium token create --sql");
  }

  test("is needed, and must be whole, of this network, and not expired", async () => {
    const token = await node.command("token", "create", "--sql", "rw");
    await expect401(null, "no bearer token");
    await expect401("Basic aGk6aGk=", "is not `Bearer TOKEN`");
    await expect401(`Bearer ${token.slice(0, -4)}AAAA`, "altered");
    const [head = "", claims = "", signature = ""] = token.split(".");
    const other = Buffer.from(claims, "base64url").toString().replace('"rw"', '"ro"');
    await expect401(
      `Bearer ${head}.${Buffer.from(other).toString("base64url")}.${signature}`,
      "altered",
    );
    await expect401(`Bearer ${await node.command("token", "create")}`, "no token of this kind");
    const foreign = await lab.network("foreign");
    const foreignToken = await foreign.command("token", "create", "--sql", "rw");
    await expect401(`Bearer ${foreignToken}`, "of another network");
    await foreign.kill("SIGTERM");
    const short = await node.command("token", "create", "--sql", "rw", "--ttl", "1s");
    const headers = { Authorization: `Bearer ${short}` };
    await until("its expiry", async () => {
      const { status } = await fetch(url, { method: "POST", body, headers });
      return status === 401 || null;
    });
    await expect401(`Bearer ${short}`, "expired");
  });

  test("that only reads may not write, in no way", async () => {
    const token = await node.command("token", "create", "--sql", "ro");
    await node.command("sql", "CREATE TABLE kept (x)");
    const client = new SqlClient(() => token);
    for (const sql of [
      "INSERT INTO kept VALUES (1)",
      "WITH one AS (SELECT 1) INSERT INTO kept SELECT * FROM one",
      "CREATE TABLE other (x)",
      "DROP TABLE kept",
      "REPLACE INTO kept VALUES (1)",
      "PRAGMA user_version = 7",
      "SELECT 1; DELETE FROM kept",
      "BEGIN IMMEDIATE; INSERT INTO kept VALUES (1); COMMIT",
      "ATTACH 'x' AS x",
      "VACUUM",
    ]) {
      const refused = await client.run(node.target, [{ sql }]);
      expect({ sql, refused }).toMatchObject({ refused: { kind: "error" } });
    }
    const refused = await client.run(node.target, [{ sql: "INSERT INTO kept VALUES (1)" }]);
    expect(refused).toMatchObject({ code: "SQLITE_READONLY" });
    expect(JSON.stringify(refused)).toContain("this token may only read");
    const read = await client.run(node.target, [{ sql: "SELECT count(*) FROM kept" }]);
    expect(read).toMatchObject({ kind: "ok", results: [[["0"]]] });
    client.close();
  });
});

test("no node ended by itself", () => {
  expect(lab.deaths).toEqual([]);
});
