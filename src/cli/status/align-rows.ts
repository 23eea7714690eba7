/** Rows of cells as lines, each column as wide as its widest cell. */

const GAP = "  ";

export function alignRows(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) {
      widths[i] = Math.max(widths[i] ?? 0, Bun.stringWidth(cell));
    }
  }
  return rows.map((row) =>
    row
      .map((cell, i) => pad(cell, widths[i] ?? 0))
      .join(GAP)
      .trimEnd(),
  );
}

function pad(cell: string, width: number): string {
  return cell + " ".repeat(width - Bun.stringWidth(cell));
}
