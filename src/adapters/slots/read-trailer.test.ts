import { afterAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readTrailer } from "./read-trailer.ts";

const scratch = mkdtempSync(join(tmpdir(), "mycelium-trailer-"));
const path = join(scratch, "shipped");
afterAll(() => rmSync(scratch, { recursive: true }));

/** As build/launcher.ts writes it. */
function trailer(): Buffer {
  const bytes = Buffer.alloc(4_096);
  bytes.write("MYCPAYL1", 0, "latin1");
  bytes.writeUInt32LE(1, 8);
  bytes.fill(0xc0, 48, 80);
  bytes.write("0.2.0", 112, "latin1");
  bytes.fill(0x1a, 144, 176);
  bytes.set(createHash("sha256").update(bytes.subarray(0, 4_064)).digest(), 4_064);
  return bytes;
}

test("readTrailer() reads the end of a file, whatever comes before", async () => {
  for (const before of [0, 1, 100_000]) {
    writeFileSync(path, Buffer.concat([Buffer.alloc(before, 7), trailer()]));
    expect(await readTrailer(path)).toEqual({
      version: "0.2.0",
      coreSha256: "c0".repeat(32),
      launcherSha256: "1a".repeat(32),
    });
  }
});

test("readTrailer() finds none in what is no shipped file, is short, or is not there", async () => {
  writeFileSync(path, Buffer.alloc(10_000));
  expect(await readTrailer(path)).toBeNull();
  writeFileSync(path, trailer().subarray(1));
  expect(await readTrailer(path)).toBeNull();
  expect(await readTrailer(join(scratch, "none"))).toBeNull();
});
