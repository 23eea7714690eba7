/** Completion for fish. */

import type { Command } from "../command.ts";
import { type CompletionPlace, completionPlaces } from "./words.ts";

export function fishCompletion(commands: readonly Command[]): string {
  return ["complete -c mycelium -f", ...completionPlaces(commands).flatMap(linesOf)].join("\n");
}

function linesOf({ path, commands, flags }: CompletionPlace): string[] {
  const when = condition(
    path,
    commands.map(({ word }) => word),
  );
  const words = commands.map(
    ({ word, help }) => `complete -c mycelium -n ${when} -a ${word} -d ${quoted(help)}`,
  );
  const options = flags.map(
    ({ word, help }) =>
      `complete -c mycelium -n ${condition(path, [])} -l ${word.slice(2)} -d ${quoted(help)}`,
  );
  return [...words, ...options];
}

function condition(path: string, next: readonly string[]): string {
  if (path === "") return "__fish_use_subcommand";
  const seen = path.split(" ").map((word) => `__fish_seen_subcommand_from ${word}`);
  const unseen = next.length > 0 ? [`not __fish_seen_subcommand_from ${next.join(" ")}`] : [];
  return quoted([...seen, ...unseen].join("; and "));
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
