/** A command: what citty needs to parse its arguments, and what help, completion and the strict check need. */

import { type ArgDef, type ArgsDef, defineCommand, type ParsedArgs, runCommand } from "citty";
import type { Terminal } from "./terminal.ts";

export const COMMON_ARGS = {
  json: { type: "boolean", description: "print JSON, for scripts" },
  help: { type: "boolean", alias: "h", description: "show this help" },
} as const satisfies ArgsDef;

export const STATE_ARG = {
  state: { type: "string", valueHint: "DIR", description: "state directory of the node" },
} as const satisfies ArgsDef;

export interface Context {
  readonly terminal: Terminal;
  /** The command's arguments as typed, for a child process that runs it again. */
  readonly rawArgs: readonly string[];
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  readonly examples: readonly string[];
  readonly args: ArgsDef;
  readonly subcommands: readonly Command[];
  /** Null where one of the subcommands has to be named. */
  readonly execute: ((rawArgs: string[], context: Context) => Promise<number>) | null;
}

interface CommandSpec<A extends ArgsDef> {
  readonly name: string;
  readonly summary: string;
  readonly examples: readonly string[];
  readonly args: A;
  /** Resolves with the exit status. */
  run(args: ParsedArgs<A & typeof COMMON_ARGS>, context: Context): Promise<number>;
}

export function command<const A extends ArgsDef>(spec: CommandSpec<A>): Command {
  const args = { ...spec.args, ...COMMON_ARGS };
  return {
    name: spec.name,
    summary: spec.summary,
    examples: spec.examples,
    args,
    subcommands: [],
    execute: async (rawArgs, context) => {
      const definition = defineCommand({
        meta: { name: spec.name, description: spec.summary },
        args,
        run: (parsed) => spec.run(parsed.args as ParsedArgs<A & typeof COMMON_ARGS>, context),
      });
      const { result } = await runCommand(definition, { rawArgs });
      return result as number;
    },
  };
}

/** Other spellings of a flag, without dashes. */
export function aliasesOf(definition: ArgDef): readonly string[] {
  return "alias" in definition ? [definition.alias ?? []].flat() : [];
}

/** A command that only groups others: `mycelium token create`. */
export function commandGroup(
  name: string,
  summary: string,
  subcommands: readonly Command[],
): Command {
  const examples = subcommands.flatMap((one) => one.examples.slice(0, 1));
  return { name, summary, examples, args: { ...COMMON_ARGS }, subcommands, execute: null };
}
