/** A terminal that keeps what is written to it. For tests. */

import type { Terminal } from "../terminal.ts";

export interface RecordingTerminal extends Terminal {
  readonly outLines: string[];
  readonly errorLines: string[];
}

export function recordingTerminal(
  environment: Readonly<Record<string, string>> = {},
  input = "",
): RecordingTerminal {
  const outLines: string[] = [];
  const errorLines: string[] = [];
  return {
    outLines,
    errorLines,
    out: (line) => void outLines.push(line),
    error: (line) => void errorLines.push(line),
    readInput: async () => input,
    isTerminal: false,
    isErrorTerminal: false,
    colour: false,
    environment: { HOME: "/nonexistent", ...environment },
  };
}
