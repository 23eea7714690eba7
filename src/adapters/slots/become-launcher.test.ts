import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Says who it is, in a process of its own, after a Bun process has become it. */
const NEXT = `#!/bin/sh
echo "pid $$"
echo "words $*"
echo "variable $KEPT"
for fd in /proc/$$/fd/*; do readlink "$fd" | grep -F MARK; done
exec grep -E "^Sig(Blk|Ign)" /proc/self/status
`;

async function run(source: string) {
  const child = Bun.spawn([process.execPath, "-e", source], { stdout: "pipe", stderr: "pipe" });
  const [out, error] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { pid: child.pid, out, error, status: await child.exited };
}

test("a process becomes another program: same pid, given words and environment, nothing left open", async () => {
  const directory = mkdtempSync(join(tmpdir(), "become-"));
  try {
    const next = join(directory, "next");
    const marked = join(directory, "MARK");
    writeFileSync(next, NEXT);
    chmodSync(next, 0o755);
    const { pid, out, error, status } = await run(`
      import { openSync } from "node:fs";
      import { becomeLauncher, ownArguments } from "${import.meta.dir}/become-launcher.ts";
      openSync("${marked}", "w");
      Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
      new Worker("data:text/javascript,onmessage=()=>{}");
      if (ownArguments()[1] !== "-e") throw new Error("own arguments");
      process.on("SIGTERM", () => {});
      becomeLauncher("${next}", ["next", "run", "--state", "a b"], { KEPT: "yes", PATH: process.env.PATH });
    `);
    expect(error).toBe("");
    expect(status).toBe(0);
    expect(out.split("\n").slice(0, 3)).toEqual([
      `pid ${pid}`,
      "words run --state a b",
      "variable yes",
    ]);
    expect(out).not.toContain("MARK");
    expect(out).toMatch(/SigBlk:\s0{16}\nSigIgn:\s0{16}/);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test("a launcher that is gone is an error, and the process goes on", async () => {
  const { out, status } = await run(`
    import { becomeLauncher } from "${import.meta.dir}/become-launcher.ts";
    try { becomeLauncher("/nowhere/mycelium", ["mycelium"], {}); } catch (error) { console.log(error.code); }
  `);
  expect(out).toBe("STATE_MISSING\n");
  expect(status).toBe(0);
});
