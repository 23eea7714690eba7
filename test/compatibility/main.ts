/**
 * Writes what the release in package.json writes into a folder of its name beside this file. Once a release is out its
 * folder is never written again: give the next one a folder.
 *
 *   bun test/compatibility/main.ts [samples | states]
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { VERSION } from "../../src/domain/api/index.ts";
import { releaseFolder, SAMPLES_FILE, type WrittenSample } from "./fixtures.ts";
import { writeStates } from "./make-states.ts";
import { asJson } from "./sample.ts";
import { SAMPLES } from "./samples.ts";

async function writeSamples(): Promise<void> {
  const lines: string[] = [];
  for (const { name, write, read } of SAMPLES) {
    const bytes = new Uint8Array(await write());
    const meaning = asJson(await read(bytes.slice()));
    const written: WrittenSample = { bytes: Buffer.from(bytes).toString("base64"), meaning };
    lines.push(`${JSON.stringify(name)}: ${JSON.stringify(written)}`);
  }
  const file = join(releaseFolder(VERSION), SAMPLES_FILE);
  // A line a sample: a difference is seen where it is.
  writeFileSync(file, `{\n${lines.join(",\n")}\n}\n`);
  console.log(`${file}: ${SAMPLES.length} samples`);
}

mkdirSync(releaseFolder(VERSION), { recursive: true });
const [only] = process.argv.slice(2);
if (only !== "states") await writeSamples();
if (only !== "samples") await writeStates(VERSION);
