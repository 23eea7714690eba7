/** Every text file beside is a scenario; each prints what it says it prints. */

import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { runScenario } from "./raft/scenario.ts";

const FOLDER = `${import.meta.dir}/raft`;

for (const name of readdirSync(FOLDER)
  .filter((file) => file.endsWith(".txt"))
  .sort()) {
  test(`the scenario ${name} runs as written`, () => {
    const text = readFileSync(`${FOLDER}/${name}`, "utf8");
    expect(runScenario(text)).toBe(text);
  });
}
