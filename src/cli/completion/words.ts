/** The words that can follow each command: what every shell's script is made of. */

import type { Command } from "../command.ts";

export interface CompletionWord {
  readonly word: string;
  readonly help: string;
}

export interface CompletionPlace {
  /** The command so far without "mycelium": "", "token", "token create". */
  readonly path: string;
  readonly commands: readonly CompletionWord[];
  readonly flags: readonly CompletionWord[];
}

/** Places in the order of the tree, the root first. */
export function completionPlaces(commands: readonly Command[]): CompletionPlace[] {
  const root: CompletionPlace = {
    path: "",
    commands: commands.map(({ name, summary }) => ({ word: name, help: summary })),
    flags: [],
  };
  return [root, ...commands.flatMap((one) => placesOf(one, one.name))];
}

function placesOf(command: Command, path: string): CompletionPlace[] {
  const place: CompletionPlace = {
    path,
    commands: command.subcommands.map(({ name, summary }) => ({ word: name, help: summary })),
    flags: Object.entries(command.args).flatMap(([name, one]) =>
      one.type === "positional" ? [] : [{ word: `--${name}`, help: one.description ?? "" }],
    ),
  };
  return [place, ...command.subcommands.flatMap((one) => placesOf(one, `${path} ${one.name}`))];
}
