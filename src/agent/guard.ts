/** The native SQLite guard as a file that SQLite can load: embedded in the executable, or built beside the source. */

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { StateDirectory } from "../adapters/state/index.ts";
import { equalBytes, MyceliumError } from "../base/index.ts";

const GUARD = "guard.so";

/** The path of the guard; the embedded one is written into the state directory when it is not there as it is. */
export async function guardFile(directory: StateDirectory): Promise<string> {
  const embedded = Bun.embeddedFiles.find((file) => "name" in file && file.name === GUARD);
  if (embedded === undefined) return builtGuard();
  const content = new Uint8Array(await embedded.arrayBuffer());
  const present = directory.read(GUARD);
  if (present === null || !equalBytes(present, content)) directory.write(GUARD, content);
  return directory.file(GUARD);
}

function builtGuard(): string {
  const path = fileURLToPath(
    new URL(`../../dist/native-${process.arch}/${GUARD}`, import.meta.url),
  );
  if (existsSync(path)) return path;
  throw new MyceliumError(
    "STATE_MISSING",
    `Cannot run from source: ${path} is missing; build it with \`bun run build\``,
  );
}
