import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { MyceliumError } from "../../../src/base/index.ts";
import { type ResultFormat, runSqlShell } from "../../../src/cli/sql/index.ts";
import { type GatewayNode, startGatewayNode } from "./gateway-node.ts";

let node: GatewayNode;
let directory: string;

beforeAll(() => {
  node = startGatewayNode();
  directory = mkdtempSync(join(tmpdir(), "sql-shell-"));
});
afterAll(async () => {
  await node.stop();
  rmSync(directory, { recursive: true });
});
beforeEach(async () => {
  await run({
    script: "DROP TABLE IF EXISTS notes; CREATE TABLE notes (id INTEGER PRIMARY KEY, t)",
  });
});

/** Keeps what is written, and tells when a text has come. */
class Screen extends Writable {
  text = "";
  #waiting: { wanted: string; resolve: () => void } | null = null;

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    if (this.#waiting !== null && this.text.includes(this.#waiting.wanted)) this.#waiting.resolve();
    done();
  }

  /** What came up to and with `wanted`, which is then gone. */
  async until(wanted: string): Promise<string> {
    if (!this.text.includes(wanted)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting = { wanted, resolve };
      await promise;
      this.#waiting = null;
    }
    const end = this.text.indexOf(wanted) + wanted.length;
    const taken = this.text.slice(0, end);
    this.text = this.text.slice(end);
    return taken;
  }
}

const fetchLocal = (path: string, init: RequestInit) =>
  node.gateway.handle(new Request(`http://node${path}`, init), { local: true });

async function run(options: {
  readonly script?: string;
  readonly statement?: string;
  readonly format?: ResultFormat;
}) {
  const output = new Screen();
  const errorOutput = new Screen();
  const input = new PassThrough();
  input.end(options.script ?? "");
  const status = await runSqlShell({
    fetch: fetchLocal,
    input,
    output,
    errorOutput,
    isTerminal: false,
    format: options.format ?? "table",
    ...(options.statement === undefined ? {} : { statement: options.statement }),
  });
  return { status, out: output.text, error: errorOutput.text };
}

describe("one statement and scripts", () => {
  test("a statement prints its rows alone", async () => {
    expect(await run({ statement: "SELECT 1 AS one", format: "csv" })).toEqual({
      status: 0,
      out: "one\r\n1\r\n",
      error: "",
    });
    expect((await run({ statement: "SELECT 1 AS one;", format: "json" })).out).toBe(
      '[{"one":1}]\n',
    );
  });

  test("a failed statement goes to standard error with its code", async () => {
    const { status, out, error } = await run({ statement: "SELECT * FROM nowhere" });
    expect([status, out]).toEqual([1, ""]);
    expect(error).toContain("Error: no such table: nowhere (SQLITE_ERROR)");
  });

  test("a script stops at its first error and says where", async () => {
    const script = `
      INSERT INTO notes (t) VALUES ('a;b'); -- first
      INSERT INTO notes (id) VALUES (1);
      INSERT INTO notes (t) VALUES ('never');
    `;
    const { status, error } = await run({ script });
    expect(status).toBe(1);
    expect(error).toBe(
      "Error in statement 2: UNIQUE constraint failed: notes.id (SQLITE_CONSTRAINT_PRIMARYKEY)\n",
    );
    expect((await run({ statement: "SELECT t FROM notes", format: "csv" })).out).toBe(
      "t\r\na;b\r\n",
    );
  });

  test("a transaction spans the statements of a script, and ends with it", async () => {
    await run({ script: "BEGIN; INSERT INTO notes (t) VALUES ('a'); COMMIT" });
    await run({ script: "BEGIN; INSERT INTO notes (t) VALUES ('b');" });
    expect((await run({ statement: "SELECT t FROM notes", format: "csv" })).out).toBe("t\r\na\r\n");
    expect(node.sql.openTransactions).toBe(0);
  });

  test("point commands work in scripts", async () => {
    const file = join(directory, "notes.sql");
    writeFileSync(file, "INSERT INTO notes (t)\n  VALUES ('from file');\n");
    const script = `.mode csv\n.read ${file}\n.tables\n.schema notes\nSELECT t FROM notes`;
    const { status, out } = await run({ script });
    expect(status).toBe(0);
    expect(out).toContain("notes\n");
    expect(out).toContain("CREATE TABLE notes (id INTEGER PRIMARY KEY, t);\n");
    expect(out).toContain("t\r\nfrom file\r\n");
  });

  test("what is no command, file or format fails", async () => {
    for (const script of [".nothing", ".mode xml", ".read", ".read /nowhere/at/all"]) {
      const { status, error } = await run({ script });
      expect(status).toBe(1);
      expect(error).toContain("Error: ");
    }
    const itself = join(directory, "itself.sql");
    writeFileSync(itself, `.read ${itself}\n`);
    expect((await run({ script: `.read ${itself}` })).error).toContain("16 deep");
  });

  test("an agent out of reach is told to the caller", async () => {
    const refusing = runSqlShell({
      fetch: () => Promise.reject(new MyceliumError("NOT_RUNNING", "Cannot ask the agent")),
      input: new PassThrough(),
      output: new Screen(),
      errorOutput: new Screen(),
      isTerminal: false,
      statement: "SELECT 1",
      format: "table",
    });
    await expect(refusing).rejects.toThrow("Cannot ask the agent");
  });
});

describe("the shell", () => {
  function open(editsLines: boolean) {
    const input = new PassThrough();
    const output = new Screen();
    const errorOutput = new Screen();
    const historyFile = join(directory, "history");
    const ended = runSqlShell({
      fetch: fetchLocal,
      input,
      output,
      errorOutput,
      isTerminal: true,
      format: "table",
      historyFile,
      editsLines,
    });
    const type = async (line: string, until: string) => {
      input.write(line);
      return await output.until(until);
    };
    return { input, output, errorOutput, ended, type, historyFile };
  }

  test("carries a transaction across lines and shows it", async () => {
    const shell = open(false);
    await shell.output.until("mycelium> ");
    await shell.type("BEGIN;\n", "mycelium*> ");
    await shell.type("INSERT INTO notes (t)\n", "...> ");
    expect(await shell.type("VALUES ('a');\n", "mycelium*> ")).toContain("OK, 1 row changed");
    await shell.type("ROLLBACK;\n", "mycelium> ");
    expect(await shell.type("SELECT count(*) AS n FROM notes;\n", "mycelium> ")).toContain("0");
    shell.input.end();
    expect(await shell.ended).toBe(0);
    expect(readFileSync(shell.historyFile, "utf8")).toContain("VALUES ('a');\n");
  });

  test("goes on after errors and quits on .quit", async () => {
    const shell = open(false);
    await shell.output.until("mycelium> ");
    await shell.type("SELEC;\n", "mycelium> ");
    expect(shell.errorOutput.text).toContain("syntax error");
    shell.input.write(".quit\n");
    expect(await shell.ended).toBe(0);
  });

  test("Ctrl-C drops the line, Ctrl-D ends", async () => {
    const shell = open(true);
    await shell.output.until("mycelium> ");
    await shell.type("SELECT '\r", "...> ");
    await shell.type("\x03", "mycelium> ");
    await shell.type("DROP TABLE\x03", "mycelium> \x1b[11G");
    expect(await shell.type("SELECT 40 + 2 AS answer;\r", "42")).toContain("answer");
    await shell.output.until("mycelium> ");
    shell.input.write("\x04");
    expect(await shell.ended).toBe(0);
  });

  test("lines typed before the end of the input are all run", async () => {
    const shell = open(false);
    shell.input.end("INSERT INTO notes (t) VALUES ('a');\nSELECT count(*) AS n FROM notes;\n");
    expect(await shell.ended).toBe(0);
    expect(shell.output.text).toMatch(/n\n-\n1\n/);
  });

  test("a transaction that expired is told, and the shell goes on", async () => {
    const shell = open(false);
    await shell.output.until("mycelium> ");
    await shell.type("BEGIN;\n", "mycelium*> ");
    await node.gateway.close();
    await node.stop();
    node = startGatewayNode();
    await shell.type("SELECT 1;\n", "mycelium> ");
    expect(shell.errorOutput.text).toContain("rolled back");
    expect(await shell.type("SELECT 2 AS two;\n", "mycelium> ")).toContain("two");
    shell.input.end();
    expect(await shell.ended).toBe(0);
  });
});
