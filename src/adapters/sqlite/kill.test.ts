import { expect, test } from "bun:test";
import { join } from "node:path";
import { openConnection } from "./connection.ts";
import { freshDirectory, GUARD_PATH } from "./engine-fixture.ts";
import { WriterEngine } from "./writer-engine.ts";

const CHILD = `
import { WriterEngine } from ${JSON.stringify(join(import.meta.dir, "writer-engine.ts"))};
const [path, guardPath] = process.argv.slice(-2);
const engine = new WriterEngine({ path, guardPath, cacheSizeBytes: 65536, reserveBytes: 0 });
const seed = new Uint8Array(16);
const program = (sql) => ({ steps: [{ condition: null, statement: { sql, args: [], namedArgs: [], wantRows: false } }] });
const run = (sql, index, alone) => {
  const request = { id: "r" + index, role: "write", program: program(sql) };
  const options = { alone, deadlineMs: 0 };
  engine.runBatch({ timeMs: 1e12 + index, seed }, [request], options);
  engine.commit(index);
};
let index = engine.position.appliedIndex;
if (index === 0) run("CREATE TABLE t (a INTEGER PRIMARY KEY, b)", ++index, true);
for (;;) {
  run("INSERT INTO t (b) VALUES (hex(randomblob(300)))", ++index, false);
  console.log(index);
}
`;

test("a writer killed with -9 keeps every committed batch, whole, and its position", async () => {
  const directory = freshDirectory();
  const script = join(directory, "child.ts");
  await Bun.write(script, CHILD);
  const path = join(directory, "1.sqlite");
  for (let round = 0; round < 4; round++) {
    const child = Bun.spawn([process.execPath, script, path, GUARD_PATH], {
      stdout: "pipe",
      stderr: "inherit",
    });
    let said = "";
    for await (const chunk of child.stdout) {
      said += Buffer.from(chunk).toString();
      if (said.length > 2_000 + round * 1_313 && !child.killed) child.kill("SIGKILL");
    }
    await child.exited;
    const last = Number(said.trimEnd().split("\n").slice(0, -1).at(-1));
    const engine = new WriterEngine({
      path,
      guardPath: GUARD_PATH,
      cacheSizeBytes: 65_536,
      reserveBytes: 0,
    });
    const { appliedIndex } = engine.position;
    engine.close();
    expect(Number(appliedIndex)).toBeGreaterThanOrEqual(last);
    const db = openConnection(path, {
      guardPath: GUARD_PATH,
      readOnly: true,
      cacheSizeBytes: 65_536,
    });
    const [rows] = db.prepare("SELECT count(*) FROM t").get() as unknown as [bigint];
    db.close();
    expect(Number(rows)).toBe(Number(appliedIndex) - 1);
  }
});
