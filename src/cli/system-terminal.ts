/** The process's own streams as a `Terminal`. Writes are synchronous, so that nothing is lost at exit. */

import { writeSync } from "node:fs";
import { MyceliumError } from "../base/index.ts";
import type { Terminal } from "./terminal.ts";

export function systemTerminal(
  environment: Readonly<Record<string, string | undefined>>,
): Terminal {
  return {
    out: (line) => writeAll(1, `${line}\n`),
    error: (line) => writeAll(2, `${line}\n`),
    readInput,
    isTerminal: process.stdout.isTTY === true,
    isErrorTerminal: process.stderr.isTTY === true,
    colour: !environment["NO_COLOR"] && environment["TERM"] !== "dumb",
    environment,
  };
}

function writeAll(descriptor: number, text: string): void {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest));
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : "";
      // The reader went away (`mycelium status | head -1`): there is nobody left to write to.
      if (code === "EPIPE") return;
      if (code !== "EAGAIN") throw error;
    }
  }
}

async function readInput(sizeBytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of Bun.stdin.stream()) {
    sizeBytes += chunk.length;
    if (sizeBytes > sizeBytesMax) {
      throw new MyceliumError(
        "TOO_LARGE",
        `Cannot read standard input: found more than ${sizeBytesMax} bytes`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
