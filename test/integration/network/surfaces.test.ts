/** What people and scripts look at: `mycelium sql` in all its forms, /metrics, /healthz, /readyz. */

import { afterAll, describe, expect, test } from "bun:test";
import { Lab } from "./lab.ts";
import { mycelium } from "./program.ts";

const lab = new Lab("surfaces");
const node = await lab.network("home");
const url = `http://127.0.0.1:${node.target.port}`;
afterAll(() => lab.close());

describe("mycelium sql", () => {
  const sql = (...words: string[]) => node.run(["sql", ...words]);

  test("runs one statement and prints a table", async () => {
    expect(await sql("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT)")).toMatchObject({
      status: 0,
    });
    expect(
      await sql("INSERT INTO notes (body) VALUES ('moss'), ('a,\"b\"'), (NULL)"),
    ).toMatchObject({
      status: 0,
    });
    const { status, out } = await sql("SELECT * FROM notes ORDER BY id");
    expect(status).toBe(0);
    expect(out.split("\n")).toHaveLength(5);
    expect(out).toMatch(/^id {2}body\n/);
  });

  test("prints CSV as RFC 4180 and JSON that parses", async () => {
    const statement = "SELECT id, body FROM notes ORDER BY id";
    const csv = await sql(statement, "--format", "csv");
    expect(csv).toEqual({
      status: 0,
      out: 'id,body\r\n1,moss\r\n2,"a,""b"""\r\n3,',
      error: "",
    });
    const json = await sql(statement, "--json");
    expect(JSON.parse(json.out)).toEqual([
      { id: 1, body: "moss" },
      { id: 2, body: 'a,"b"' },
      { id: 3, body: null },
    ]);
  });

  test("runs a script from a pipe, as one after the other", async () => {
    const script =
      "BEGIN;\nINSERT INTO notes (body) VALUES ('x;y');\nCOMMIT; -- end\nSELECT count(*) AS n FROM notes;";
    const piped = await node.run(["sql", "--format", "csv"], { input: script });
    expect(piped).toEqual({ status: 0, out: "n\r\n4", error: "" });
  });

  test("a statement that fails ends with status 1 and SQLite's code on standard error", async () => {
    for (const statement of ["SELECT nope", "INSERT INTO notes (id) VALUES (1)", "SELEC 1"]) {
      const { status, out, error } = await sql(statement);
      expect({ statement, status, out }).toEqual({ statement, status: 1, out: "" });
      expect(error).toMatch(/SQLITE_/);
    }
    const script =
      "INSERT INTO notes (body) VALUES ('kept'); SELECT nope; INSERT INTO notes (body) VALUES ('not');";
    const piped = await node.run(["sql"], { input: script });
    expect(piped.status).toBe(1);
    expect((await sql("SELECT count(*) FROM notes", "--format", "csv")).out).toEndWith("\r\n5");
  });

  test("a wrong format is a usage error", async () => {
    const { status, error } = await sql("SELECT 1", "--format", "xml");
    expect(status).toBe(2);
    expect(error).toContain("csv");
  });
});

test("/healthz, /readyz and /metrics need no token and tell how it is", async () => {
  const health = await fetch(`${url}/healthz`);
  expect([health.status, await health.text()]).toEqual([200, "ok\n"]);
  const ready = await fetch(`${url}/readyz`);
  expect([ready.status, await ready.text()]).toEqual([200, "ready\n"]);
  const answer = await fetch(`${url}/metrics`);
  expect(answer.headers.get("content-type")).toContain("text/plain; version=0.0.4");
  const text = await answer.text();
  for (const line of text.trimEnd().split("\n")) {
    expect(line).toMatch(/^(# (TYPE|HELP) mycelium_\S+ .+|mycelium_[a-z_]+(\{[^}]*\})? \S+)$/);
  }
  const applied = /^mycelium_raft_applied_index\{group="main"\} (\d+)$/m.exec(text)?.[1];
  expect(Number(applied)).toBeGreaterThan(0);
  expect(Number(applied)).toBeLessThanOrEqual((await node.status()).store.applied);
});

test("version and config need no node", async () => {
  expect(JSON.parse((await mycelium(["version", "--json"])).out)).toHaveProperty("version");
  const config = await node.run(["config", "--json"]);
  const port = JSON.parse(config.out).find(({ name }: { name: string }) => name === "PORT");
  expect(port).toMatchObject({ value: String(node.place.httpPort), source: "file" });
});

test("SIGTERM ends it with status 0 and a word in its log, and the state is whole", async () => {
  await node.kill("SIGTERM");
  expect(node.lastLog(1)).toContain('"node stopped"');
  expect((await node.run(["status"])).status).toBe(3);
  node.start();
  await node.untilHealthy();
  expect(await node.command("sql", "SELECT count(*) FROM notes", "--format", "csv")).toEndWith("5");
});

describe("mycelium update", () => {
  test("on a node without slots and without a trusted root says what is missing", async () => {
    const { status, out } = await node.run(["update", "status"]);
    expect(status).toBe(0);
    expect(out).toContain("not started by the launcher");
    expect(out).toContain("UPDATE_ROOT");
    expect(out).toContain("No rollout yet.");
    const json = JSON.parse((await node.run(["update", "status", "--json"])).out);
    expect(json).toMatchObject({ configured: false, available: null, plan: null });
    const whole = await node.status();
    expect(whole.update).toEqual(json);
    expect(whole.healthy).toBe(true);
  });

  test("refuses what there is no rollout for, with status 1", async () => {
    for (const words of [["pause"], ["resume"], ["abort"], ["approve", "9.9.9"], ["plan"]]) {
      const { status, out, error } = await node.run(["update", ...words]);
      expect({ words, status, out }).toEqual({ words, status: 1, out: "" });
      expect(error).toStartWith("error: Cannot ");
    }
    expect((await node.run(["update", "rollback", "0.0.1"])).error).toContain("no rollout yet");
    expect((await node.run(["update", "approve"])).status).toBe(2);
  });

  test("is in the metrics", async () => {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toContain("mycelium_update_available 0");
  });
});
