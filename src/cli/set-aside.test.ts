import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { discardAside, restoreAside, setAside } from "./set-aside.ts";

let state = "";
const write = (name: string, text: string) => writeFileSync(join(state, name), text);
const read = (name: string) => readFileSync(join(state, name), "utf8");

beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), "mycelium-aside-"));
  mkdirSync(join(state, "log"));
  write("node.key", "old key");
  write("log/1", "old log");
  write("config.toml", "PORT = 1");
});
afterEach(() => rmSync(state, { recursive: true }));

function expectOldState(): void {
  expect(readdirSync(state).sort()).toEqual(["config.toml", "log", "node.key"]);
  expect([read("node.key"), read("log/1")]).toEqual(["old key", "old log"]);
}

describe("setAside()", () => {
  test("leaves an empty node with its settings", () => {
    setAside(state);
    expect(readdirSync(state).sort()).toEqual(["before-join", "config.toml"]);
  });

  test("restoreAside() brings all back and drops what a failed join began", () => {
    setAside(state);
    write("node.key", "new key");
    write("grant.cbor", "new");
    restoreAside(state);
    expectOldState();
  });

  test("discardAside() forgets the old state", () => {
    setAside(state);
    write("node.key", "new key");
    discardAside(state);
    expect(readdirSync(state).sort()).toEqual(["config.toml", "node.key"]);
  });

  test("a power cut while putting aside loses nothing", () => {
    mkdirSync(join(state, "before-join.partial"));
    renameSync(join(state, "log"), join(state, "before-join.partial/log"));
    restoreAside(state);
    expectOldState();
  });

  test("a power cut while putting back loses nothing", () => {
    setAside(state);
    write("grant.cbor", "new");
    rmSync(join(state, "grant.cbor"));
    renameSync(join(state, "before-join"), join(state, "before-join.partial"));
    renameSync(join(state, "before-join.partial/node.key"), join(state, "node.key"));
    restoreAside(state);
    expectOldState();
  });

  test("a join after a power cut starts from the old state", () => {
    setAside(state);
    write("node.key", "half a new key");
    setAside(state);
    restoreAside(state);
    expectOldState();
  });
});
