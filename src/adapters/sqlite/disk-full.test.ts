import { expect, test } from "bun:test";
import { join } from "node:path";
import { freshDirectory, GUARD_PATH } from "./engine-fixture.ts";

/** A limit on file size stands for a full disk: writes fail in the middle, on leader and follower. */
const CHILD = `
import { WriterEngine } from ${JSON.stringify(join(import.meta.dir, "writer-engine.ts"))};
const [path, guardPath, mode] = process.argv.slice(-3);
const engine = new WriterEngine({ path, guardPath, cacheSizeBytes: 65536, reserveBytes: 0 });
const context = () => ({ timeMs: 1e12, seed: new Uint8Array(16) });
const request = (id, sql) => ({
  id, role: "write",
  program: { steps: [{ condition: null, statement: { sql, args: [], namedArgs: [], wantRows: true } }] },
});
const lead = (one, alone) => engine.runBatch(context(), [one], { alone, deadlineMs: 0 }).outcomes[0];
lead(request("make", "CREATE TABLE t (a INTEGER PRIMARY KEY, b)"), true);
engine.commit(1);
let index = 1;
const seen = [];
while (seen.length < 3) {
  const insert = request("r" + index + seen.length, "INSERT INTO t (b) VALUES (zeroblob(700000))");
  try {
    if (mode === "lead") {
      const outcome = lead(insert, false);
      if (outcome.kind === "applied") engine.commit(++index);
      else seen.push(outcome.result.steps[0].error.code);
    } else {
      engine.apply([{ index: index + 1, context: context(), requests: [insert] }]);
      index++;
    }
  } catch (error) {
    seen.push(error.code);
  }
}
const count = lead(request("count", "SELECT count(*) FROM t"), false).result.steps[0].result.rows[0][0];
console.log(JSON.stringify({ seen, rows: Number(count), index, applied: engine.position.appliedIndex }));
`;

for (const mode of ["lead", "apply"]) {
  test(`a full disk is told and costs nothing that was committed (${mode})`, async () => {
    const directory = freshDirectory();
    const script = join(directory, "child.ts");
    await Bun.write(script, CHILD);
    const run = `trap "" XFSZ; ulimit -f 6000; exec "$0" "$@"`;
    const words = [process.execPath, script, join(directory, "1.sqlite"), GUARD_PATH, mode];
    const child = Bun.spawn(["bash", "-c", run, ...words], { stdout: "pipe", stderr: "inherit" });
    const report = JSON.parse(await new Response(child.stdout).text());
    expect(report.rows).toBeGreaterThan(2);
    expect(report.rows).toBe(report.index - 1);
    expect(report.applied).toBe(report.index);
    for (const code of report.seen)
      expect(code).toMatch(/^(DISK_FULL|SQLITE_FULL|SQLITE_IOERR.*)$/);
  });
}
