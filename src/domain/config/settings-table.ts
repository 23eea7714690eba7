/** The settings for people: the README's table, and the flags of the command line. */

import { ENVIRONMENT_PREFIX, flagOf, type Setting } from "./setting.ts";
import { SETTINGS } from "./settings.ts";

const rows: readonly Setting<unknown>[] = Object.values(SETTINGS) as readonly Setting<unknown>[];

/** Markdown, one row a setting. */
export function settingsTable(): string {
  const head = ["| setting | flag | default | allowed | meaning |", "|---|---|---|---|---|"];
  return [...head, ...rows.map(tableRow)].join("\n");
}

/** Flags with their help, for the command line. Secrets have none. */
export function settingFlags(): readonly { readonly flag: string; readonly help: string }[] {
  return rows.flatMap((row) => {
    const flag = flagOf(row);
    return flag === null ? [] : [{ flag, help: `${row.help} (${row.type.allowed})` }];
  });
}

function tableRow(row: Setting<unknown>): string {
  const flag = flagOf(row);
  const cells = [
    `\`${ENVIRONMENT_PREFIX}${row.name}\``,
    flag === null ? "none (secret)" : `\`--${flag}\``,
    defaultCell(row),
    row.type.allowed,
    row.help + limits(row),
  ];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function defaultCell(row: Setting<unknown>): string {
  const wan = row.wanDefaultText === null ? "" : `; wan: ${row.wanDefaultText}`;
  return (row.defaultNote ?? `${row.defaultText ?? ""}`) + wan;
}

function limits(row: Setting<unknown>): string {
  if (row.unavailable !== null) return ` (${row.unavailable}: not in this version)`;
  return row.reserved ? " (no effect in this version)" : "";
}
