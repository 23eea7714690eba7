/**
 * Refuses what citty would let pass: unknown and repeated flags, values that are missing or not expected, too few
 * or too many words. What passes comes out in one form, `--name=value` and words, that citty reads without guessing.
 */

import type { ArgDef, ArgsDef } from "citty";
import { MyceliumError } from "../base/index.ts";
import { nearestName } from "../domain/config/index.ts";
import { aliasesOf } from "./command.ts";

interface Flag {
  readonly name: string;
  readonly definition: ArgDef;
}

/** Throws BAD_ARGUMENT that names the word, what was needed, and the help to read. `path` is "mycelium join". */
export function strictArguments(rawArgs: readonly string[], args: ArgsDef, path: string): string[] {
  const flags = flagsOf(args);
  const options: string[] = [];
  const words: string[] = [];
  const seen = new Set<string>();
  for (let i = 0; i < rawArgs.length; i++) {
    const word = rawArgs[i] ?? "";
    if (word === "--") {
      words.push(...rawArgs.slice(i + 1));
      break;
    }
    if (word === "-" || !word.startsWith("-")) {
      words.push(word);
      continue;
    }
    const equals = word.indexOf("=");
    const spelled = equals < 0 ? word : word.slice(0, equals);
    const inline = equals < 0 ? null : word.slice(equals + 1);
    const flag = flags.get(spelled) ?? unknownFlag(spelled, flags, path);
    const isAgain = seen.has(flag.name);
    if (isAgain && !takesList(flag)) throw refusal(`${spelled} is given twice`, path);
    seen.add(flag.name);
    if (flag.definition.type === "boolean") options.push(switchOption(flag, spelled, inline, path));
    else {
      const value = inline ?? valueAfter(rawArgs[++i], flag, spelled, path);
      checkChoice(value, flag, spelled, path);
      if (isAgain) appendTo(options, flag, value);
      else options.push(`--${flag.name}=${value}`);
    }
  }
  checkWords(words, args, path);
  return words.length === 0 ? options : [...options, "--", ...words];
}

/** A flag whose hint ends in "..." may be given again; its values come out with commas between them. */
function takesList({ definition }: Flag): boolean {
  return "valueHint" in definition && definition.valueHint?.endsWith("...") === true;
}

function appendTo(options: string[], { name }: Flag, value: string): void {
  const i = options.findIndex((option) => option.startsWith(`--${name}=`));
  options[i] = `${options[i]},${value}`;
}

function flagsOf(args: ArgsDef): ReadonlyMap<string, Flag> {
  const flags = new Map<string, Flag>();
  for (const [name, definition] of Object.entries(args)) {
    if (definition.type === "positional") continue;
    const flag = { name, definition };
    flags.set(`--${name}`, flag);
    for (const alias of aliasesOf(definition)) {
      flags.set(alias.length === 1 ? `-${alias}` : `--${alias}`, flag);
    }
  }
  return flags;
}

function unknownFlag(spelled: string, flags: ReadonlyMap<string, Flag>, path: string): never {
  const near = nearestName(spelled, [...flags.keys()]);
  const hint = near === null ? "" : ` (did you mean ${near}?)`;
  throw refusal(`there is no flag ${spelled}${hint}`, path);
}

function switchOption(flag: Flag, spelled: string, inline: string | null, path: string): string {
  if (inline === null || inline === "true") return `--${flag.name}`;
  if (inline === "false") return `--no-${flag.name}`;
  throw refusal(`${spelled} takes no value, found "${inline}"`, path);
}

function valueAfter(next: string | undefined, flag: Flag, spelled: string, path: string): string {
  if (next !== undefined && (next === "-" || !next.startsWith("-"))) return next;
  const hint = "valueHint" in flag.definition ? flag.definition.valueHint : undefined;
  throw refusal(`${spelled} needs a value (${spelled}=${hint ?? "VALUE"})`, path);
}

function checkChoice(value: string, { definition }: Flag, spelled: string, path: string): void {
  const choices = definition.type === "enum" ? (definition.options ?? []) : [value];
  if (choices.includes(value)) return;
  throw refusal(`${spelled} is "${value}", needed one of ${choices.join(", ")}`, path);
}

function checkWords(words: readonly string[], args: ArgsDef, path: string): void {
  const places = Object.entries(args).filter(([, one]) => one.type === "positional");
  const missing = places[words.length];
  if (missing !== undefined && missing[1].required !== false) {
    throw refusal(`${missing[0].toUpperCase()} is missing`, path);
  }
  const extra = words[places.length];
  if (extra !== undefined) throw refusal(`"${extra}" was not expected`, path);
}

function refusal(found: string, path: string): MyceliumError {
  return new MyceliumError("BAD_ARGUMENT", `Cannot run ${path}: ${found}. See \`${path} --help\`.`);
}
