import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HISTORY_COUNT_MAX, readHistory, writeHistory } from "./history.ts";

function inDirectory(run: (directory: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), "history-"));
  try {
    run(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("history comes back newest first from a file only its owner reads", () => {
  inDirectory((directory) => {
    const file = join(directory, "history");
    writeFileSync(file, "old\n");
    chmodSync(file, 0o644);
    expect(writeHistory(file, ["b", "a"])).toBe(true);
    expect(readFileSync(file, "utf8")).toBe("a\nb\n");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readHistory(file)).toEqual(["b", "a"]);
  });
});

test("history is bounded", () => {
  inDirectory((directory) => {
    const file = join(directory, "history");
    writeHistory(
      file,
      Array.from({ length: HISTORY_COUNT_MAX + 5 }, (_, i) => `n${i}`),
    );
    const read = readHistory(file);
    expect(read.length).toBe(HISTORY_COUNT_MAX);
    expect(read[0]).toBe("n0");
  });
});

test("a shell works without a history file", () => {
  inDirectory((directory) => {
    expect(readHistory(join(directory, "none"))).toEqual([]);
    expect(writeHistory(join(directory, "no", "such", "place"), ["a"])).toBe(false);
  });
});
