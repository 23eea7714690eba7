import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryLogger } from "../adapters/memory/index.ts";
import { StateDirectory } from "../adapters/state/index.ts";
import { asNetworkId } from "../base/index.ts";
import { ownDatabase } from "./own-database.ts";

const base = mkdtempSync(join(tmpdir(), "mycelium-own-"));
const directory = StateDirectory.open(join(base, "state"), { create: true });
afterAll(() => {
  directory.close();
  rmSync(base, { recursive: true });
});

const HERE = asNetworkId("ab".repeat(32));
const THERE = asNetworkId("cd".repeat(32));

test("a database of another network is set aside, never opened", () => {
  const path = join(base, "shared.db");
  const said: string[] = [];
  const logger = new MemoryLogger(({ message }) => said.push(message));
  ownDatabase(directory, path, HERE, logger);
  writeFileSync(join(path, "1.sqlite"), "rows");
  ownDatabase(directory, path, HERE, logger);
  expect(existsSync(join(path, "1.sqlite"))).toBe(true);
  expect(said).toEqual([]);
  ownDatabase(directory, path, THERE, logger);
  expect(existsSync(join(path, "1.sqlite"))).toBe(false);
  const kept = readdirSync(base).filter((name) => name.startsWith("shared.db.left-abababab-"));
  expect(kept.map((name) => existsSync(join(base, name, "1.sqlite")))).toEqual([true]);
  expect(said).toEqual(["set aside the database of another network"]);
});
