import { afterEach, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorCodeOf } from "../../base/index.ts";
import { StateDirectory } from "./state-directory.ts";

const made: string[] = [];

function scratch(): string {
  const path = mkdtempSync(join(tmpdir(), "mycelium-state-"));
  made.push(path);
  return path;
}

afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    return errorCodeOf(error);
  }
  return undefined;
}

test("a directory that is held is refused, and free again after close()", () => {
  const path = join(scratch(), "a");
  const first = StateDirectory.open(path, { create: true });
  expect(codeOf(() => StateDirectory.open(path, { create: false }))).toBe("STATE_IN_USE");
  first.close();
  StateDirectory.open(path, { create: false }).close();
});

test("the lock of a killed process is free", async () => {
  const path = join(scratch(), "a");
  const holder = Bun.spawn(
    [
      process.execPath,
      "-e",
      `
    const { StateDirectory } = await import(${JSON.stringify(join(import.meta.dir, "state-directory.ts"))});
    globalThis.held = StateDirectory.open(${JSON.stringify(path)}, { create: true });
    console.log("held");
    setInterval(() => {}, 1000);
  `,
    ],
    { stdout: "pipe" },
  );
  await holder.stdout.getReader().read();
  expect(codeOf(() => StateDirectory.open(path, { create: false }))).toBe("STATE_IN_USE");
  holder.kill(9);
  await holder.exited;
  StateDirectory.open(path, { create: false }).close();
});

test("isHeld() tells a held directory from a free one and from none, and takes nothing", () => {
  const path = join(scratch(), "a");
  expect(StateDirectory.isHeld(path)).toBe(false);
  const directory = StateDirectory.open(path, { create: true });
  expect(StateDirectory.isHeld(path)).toBe(true);
  directory.close();
  expect(StateDirectory.isHeld(path)).toBe(false);
});

test("discard() removes what opening made: all new directories, or the two files in one that was there", () => {
  const root = scratch();
  StateDirectory.open(join(root, "a/b/c"), { create: true }).discard();
  expect(readdirSync(root)).toEqual([]);
  writeFileSync(join(root, "config.toml"), "");
  StateDirectory.open(root, { create: true }).discard();
  expect(readdirSync(root)).toEqual(["config.toml"]);
  StateDirectory.open(root, { create: true }).close();
  StateDirectory.open(root, { create: true }).discard();
  expect(existsSync(join(root, "state.json"))).toBe(true);
});

test("a missing directory is refused unless it may be made", () => {
  expect(codeOf(() => StateDirectory.open(join(scratch(), "none"), { create: false }))).toBe(
    "STATE_MISSING",
  );
});

test("a copy is refused, a moved original can be adopted", () => {
  const root = scratch();
  StateDirectory.open(join(root, "a"), { create: true }).close();
  cpSync(join(root, "a"), join(root, "b"), { recursive: true });
  expect(codeOf(() => StateDirectory.open(join(root, "b"), { create: false }))).toBe(
    "STATE_COPIED",
  );
  StateDirectory.open(join(root, "b"), { create: false, adopt: true }).close();
  StateDirectory.open(join(root, "b"), { create: false }).close();
  renameSync(join(root, "a"), join(root, "c"));
  StateDirectory.open(join(root, "c"), { create: false }).close();
});

test("state of a newer version and a damaged mark are refused", () => {
  const path = join(scratch(), "a");
  StateDirectory.open(path, { create: true }).close();
  writeFileSync(join(path, "state.json"), '{"version":99,"origin":"1:1"}');
  expect(codeOf(() => StateDirectory.open(path, { create: false }))).toBe("STATE_NEWER");
  writeFileSync(join(path, "state.json"), "junk");
  expect(codeOf(() => StateDirectory.open(path, { create: false }))).toBe("STATE_CORRUPT");
});

test("write() replaces a file whole and leaves no temporary one", () => {
  const path = join(scratch(), "a");
  const directory = StateDirectory.open(path, { create: true });
  directory.write("x", Uint8Array.of(1));
  directory.write("x", Uint8Array.of(2, 3));
  expect(directory.read("x")).toEqual(Uint8Array.of(2, 3));
  expect(existsSync(join(path, "x.new"))).toBe(false);
  expect(directory.read("y")).toBeNull();
  directory.close();
});
