/** Help texts: usage, what it does, commands or arguments, flags, examples. */

import type { ArgDef } from "citty";
import { settingFlags } from "../domain/config/index.ts";
import { aliasesOf, type Command } from "./command.ts";
import { type Paint, paint } from "./terminal.ts";

const SETTING_NAMES = new Set(settingFlags().map(({ flag }) => flag));
const FLAG_COLUMN_MAX = 34;

/** `path` is "mycelium token create". */
export function helpText(command: Command, path: string, colour: boolean): string {
  const ink = paint(colour);
  const entries = Object.entries(command.args);
  const words = entries.filter(([, one]) => one.type === "positional");
  const flags = entries.filter(([, one]) => one.type !== "positional");
  const usage = [
    path,
    ...(command.subcommands.length > 0 ? ["COMMAND"] : []),
    ...words.map(([name, one]) => wordUsage(name, one)),
    ...(flags.length > 0 ? ["[flags]"] : []),
  ].join(" ");
  const lines = [command.summary, "", `${ink.bold("Usage")}  ${usage}`];
  section(
    lines,
    ink,
    "Commands",
    command.subcommands.map((one) => [one.name, one.summary]),
  );
  section(
    lines,
    ink,
    "Arguments",
    words.map(([name, one]) => [name.toUpperCase(), one.description ?? ""]),
  );
  const isSetting = ([name]: [string, ArgDef]) => SETTING_NAMES.has(name) && name !== "state";
  section(lines, ink, "Flags", flags.filter((one) => !isSetting(one)).map(flagRow));
  section(lines, ink, "Settings", flags.filter(isSetting).map(flagRow));
  lines.push("", ink.bold("Examples"), ...command.examples.map((one) => `  ${one}`));
  if (command.subcommands.length > 0) {
    lines.push("", `\`${path} COMMAND --help\` says more about each.`);
  }
  return lines.join("\n");
}

function section(
  lines: string[],
  ink: Paint,
  title: string,
  rows: readonly (readonly [string, string])[],
): void {
  if (rows.length === 0) return;
  const width = Math.min(FLAG_COLUMN_MAX, Math.max(...rows.map(([left]) => left.length)));
  lines.push("", ink.bold(title));
  for (const [left, right] of rows) lines.push(`  ${left.padEnd(width)}  ${right}`.trimEnd());
}

function wordUsage(name: string, definition: ArgDef): string {
  return definition.required === false ? `[${name.toUpperCase()}]` : name.toUpperCase();
}

function flagRow([name, definition]: [string, ArgDef]): [string, string] {
  const aliases = aliasesOf(definition).filter((one) => one.length === 1);
  const hint = "valueHint" in definition ? definition.valueHint : undefined;
  const value = definition.type === "boolean" ? "" : `=${hint ?? "VALUE"}`;
  const left = [...aliases.map((one) => `-${one}`), `--${name}${value}`].join(", ");
  return [left, definition.description ?? ""];
}
