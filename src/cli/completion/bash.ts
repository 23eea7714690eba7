/** Completion for bash 4 and newer. */

import type { Command } from "../command.ts";
import { completionPlaces } from "./words.ts";

export function bashCompletion(commands: readonly Command[]): string {
  const cases = completionPlaces(commands).map(({ path, commands: words, flags }) => {
    const all = [...words, ...flags].map(({ word }) => word).join(" ");
    return `    "${path}") words="${all}" ;;`;
  });
  const groups = commands.filter(({ subcommands }) => subcommands.length > 0);
  return [
    "_mycelium() {",
    '  local current="${COMP_WORDS[COMP_CWORD]}" path="" words="" i word',
    "  for ((i = 1; i < COMP_CWORD; i++)); do",
    '    word="${COMP_WORDS[i]}"',
    "    [[ $word == -* ]] && continue",
    '    if [[ -z $path ]]; then path="$word"; continue; fi',
    `    case "$path" in ${groups.map(({ name }) => name).join("|")}) path="$path $word" ;; esac`,
    "    break",
    "  done",
    '  case "$path" in',
    ...cases,
    "  esac",
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    '  [[ ${#COMPREPLY[@]} -eq 0 ]] && COMPREPLY=($(compgen -f -- "$current"))',
    "}",
    "complete -F _mycelium mycelium",
  ].join("\n");
}
