/**
 * The core as a bad release: built like the real one, it does what the file FAULT in its state directory says, once it
 * is started as version 0.2.0. test/integration/update builds it.
 */

import { closeSync, openSync, readdirSync, readFileSync, statSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";

const PAGE_SIZE = 4_096;
const state = dirname(dirname(process.execPath));

function faultOf(): string {
  try {
    return readFileSync(join(state, "FAULT"), "utf8").trim();
  } catch {
    return "none";
  }
}

/** Overwrites pages of the database of shard `main`, as a program that writes where it should not. */
function damageDatabase(): void {
  const [generation] = readdirSync(join(state, "mycelium.db")).filter((n) => n.endsWith(".sqlite"));
  const path = join(state, "mycelium.db", generation ?? "");
  const fd = openSync(path, "r+");
  for (let at = 0; at < statSync(path).size; at += PAGE_SIZE) writeSync(fd, "damage", at + 100);
  closeSync(fd);
}

const FAULTS: Readonly<Record<string, () => void>> = {
  none: () => {},
  crash: () => process.exit(1),
  hang: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
  leak: () => {
    const held: Uint8Array[] = [];
    setInterval(() => held.push(new Uint8Array(2 << 20).fill(1)), 10);
  },
  damage: damageDatabase,
  // Less free disk than is needed is a fault of the node's health.
  ill: () => process.argv.push("--disk-reserve=1000g"),
};

if (process.argv[2] === "run") FAULTS[faultOf()]?.();
await import("../../../src/main.ts");
