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

/** With room in its cache the writer finds out at the COMMIT, when the log has the batch already. */
const LATE_CHILD = `
import { spawnSync } from "node:child_process";
import { WriterEngine } from ${JSON.stringify(join(import.meta.dir, "writer-engine.ts"))};
const [path, guardPath] = process.argv.slice(-2);
const engine = new WriterEngine({ path, guardPath, cacheSizeBytes: 64 << 20, reserveBytes: 0 });
const context = () => ({ timeMs: 1e12, seed: new Uint8Array(16) });
const request = (id, sql) => ({
  id, role: "write",
  program: { steps: [{ condition: null, statement: { sql, args: [], namedArgs: [], wantRows: true } }] },
});
const lead = (one, alone) => engine.runBatch(context(), [one], { alone, deadlineMs: 0 }).outcomes[0];
const codeOf = (work) => { try { work(); return null; } catch (error) { return error.code; } };
const large = request("large", "INSERT INTO t (b) VALUES (zeroblob(9000000))");
const small = request("small", "INSERT INTO t (b) VALUES ('x')");
lead(request("make", "CREATE TABLE t (a INTEGER PRIMARY KEY, b)"), true);
engine.commit(1);
lead(large, false);
const seen = [codeOf(() => engine.commit(2)), codeOf(() => lead(small, false)),
  codeOf(() => engine.beginInteractive(context(), "write"))];
spawnSync("prlimit", ["--pid", String(process.pid), "--fsize=unlimited:unlimited"]);
seen.push(codeOf(() => lead(small, false)));
engine.apply([{ index: 2, context: context(), requests: [large] }]);
seen.push(lead(small, false).kind);
engine.commit(3);
const sizes = lead(request("sizes", "SELECT length(b) FROM t"), false).result.steps[0].result.rows.flat();
console.log(JSON.stringify({ seen, sizes: sizes.map(Number), applied: engine.position.appliedIndex }));
`;

test("behind a COMMIT that fails nothing runs before its entry was applied", async () => {
  const directory = freshDirectory();
  const script = join(directory, "child.ts");
  await Bun.write(script, LATE_CHILD);
  const run = `trap "" XFSZ; ulimit -S -f 6000; exec "$0" "$@"`;
  const words = [process.execPath, script, join(directory, "1.sqlite"), GUARD_PATH];
  const child = Bun.spawn(["bash", "-c", run, ...words], { stdout: "pipe", stderr: "inherit" });
  const report = JSON.parse(await new Response(child.stdout).text());
  expect(report).toEqual({
    seen: ["DISK_FULL", "DISK_FULL", "DISK_FULL", "DISK_FULL", "applied"],
    sizes: [9_000_000, 1],
    applied: 3,
  });
});
