/** Where a command reads and writes: the process's own streams, or a test's. */

export interface Terminal {
  /** Writes a line to standard output: results only. */
  out(line: string): void;
  /** Writes a line to standard error: hints, progress, errors. */
  error(line: string): void;
  /** All of standard input as text, refused beyond `sizeBytesMax`. */
  readInput(sizeBytesMax: number): Promise<string>;
  /** Standard output is a person's terminal. */
  readonly isTerminal: boolean;
  /** Standard error is one. */
  readonly isErrorTerminal: boolean;
  /** False with NO_COLOR (no-color.org) or TERM=dumb. */
  readonly colour: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}

const sgr = (on: boolean, code: number) => (text: string) =>
  on && text !== "" ? `\x1b[${code}m${text}\x1b[0m` : text;

export function paint(on: boolean): Paint {
  return {
    bold: sgr(on, 1),
    dim: sgr(on, 2),
    red: sgr(on, 31),
    green: sgr(on, 32),
    yellow: sgr(on, 33),
  };
}
