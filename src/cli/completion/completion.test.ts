import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { runCli } from "../run-cli.ts";
import { recordingTerminal } from "../testing/recording-terminal.ts";

async function scriptFor(shell: string): Promise<string> {
  const terminal = recordingTerminal();
  expect(await runCli(["completion", shell], terminal)).toBe(0);
  return terminal.outLines.join("\n");
}

/** What bash offers after these words. */
function completed(script: string, ...words: string[]): string[] {
  const list = words.map((word) => `'${word}'`).join(" ");
  const ask = `COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _mycelium; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = spawnSync("bash", ["-c", `${script}\n${ask}`], { encoding: "utf8" });
  return stdout.trim().split("\n");
}

describe("completion", () => {
  test("bash completes commands, subcommands and flags", async () => {
    const script = await scriptFor("bash");
    expect(completed(script, "mycelium", "sta")).toEqual(["status"]);
    expect(completed(script, "mycelium", "token", "c")).toEqual(["create"]);
    expect(completed(script, "mycelium", "token", "create", "--us")).toEqual(["--uses"]);
    expect(completed(script, "mycelium", "status", "--state", "x", "--w")).toEqual(["--watch"]);
  });

  for (const shell of ["zsh", "fish"]) {
    const isHere = Bun.which(shell) !== null;
    const name = `${shell} takes its script${isHere ? "" : " (not tried: no such shell here)"}`;
    test(name, async () => {
      const script = await scriptFor(shell);
      expect(script).toContain("status");
      if (!isHere) return;
      const { status, stderr } = spawnSync(shell, ["-n"], { input: script, encoding: "utf8" });
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    });
  }

  test("another shell is refused", async () => {
    expect(await runCli(["completion", "tcsh"], recordingTerminal())).toBe(2);
  });
});
