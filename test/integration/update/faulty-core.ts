/**
 * The core as a bad release: built like the real one, it does what the file FAULT in its state directory says ("FAULT",
 * or "FAULT SECONDS" for one that shows only then), once it is started as version 0.2.0. It leaves RAN there when it
 * runs, and in SHOWN since when (Unix ms) its fault can be seen. test/integration/update and test/update build it.
 */

import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { StateDirectory } from "../../../src/adapters/state/index.ts";

const PAGE_SIZE = 4_096;
const state = dirname(dirname(process.execPath));

function faultOf(): readonly [name: string, delayMs: number] {
  try {
    const [name = "none", seconds = "0"] = readFileSync(join(state, "FAULT"), "utf8")
      .trim()
      .split(" ");
    return [name, Number(seconds) * 1_000];
  } catch {
    return ["none", 0];
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
  sick: () => {
    StateDirectory.prototype.freeBytes = () => 0;
  },
};

function show(fault: () => void): void {
  const since = join(state, "SHOWN");
  if (!existsSync(since)) writeFileSync(since, String(Date.now()));
  fault();
}

if (process.argv[2] === "run") {
  const [name, delayMs] = faultOf();
  const fault = FAULTS[name] ?? (() => {});
  writeFileSync(join(state, "RAN"), "");
  if (delayMs === 0) show(fault);
  else setTimeout(() => show(fault), delayMs);
}
await import("../../../src/main.ts");
