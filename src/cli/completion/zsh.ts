/** Completion for zsh. */

import type { Command } from "../command.ts";
import { type CompletionWord, completionPlaces } from "./words.ts";

export function zshCompletion(commands: readonly Command[]): string {
  const groups = commands.filter(({ subcommands }) => subcommands.length > 0);
  const cases = completionPlaces(commands).map(({ path, commands: words, flags }) => {
    const all = [...words, ...flags].map(described).join(" ");
    return `    "${path}") options=(${all}) ;;`;
  });
  return [
    "#compdef mycelium",
    "_mycelium() {",
    '  local place="" word; local -a options',
    "  for word in ${words[2,CURRENT-1]}; do",
    "    [[ $word == -* ]] && continue",
    '    if [[ -z $place ]]; then place="$word"; continue; fi',
    `    case "$place" in ${groups.map(({ name }) => name).join("|")}) place="$place $word" ;; esac`,
    "    break",
    "  done",
    '  case "$place" in',
    ...cases,
    "  esac",
    "  _describe 'mycelium' options || _files",
    "}",
    // Works both as a file of fpath and when sourced.
    'if [[ ${funcstack[1]} == _mycelium ]]; then _mycelium "$@"; else compdef _mycelium mycelium; fi',
  ].join("\n");
}

function described({ word, help }: CompletionWord): string {
  return `'${word}:${help.replaceAll("'", "'\\''").replaceAll(":", "\\:")}'`;
}
