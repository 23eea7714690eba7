/** Durations and sizes as people write them: "30", "30s", "5m", "250ms"; "64", "64k", "1 GiB". */

const MS_PER_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const BYTES_PER_UNIT: Readonly<Record<string, number>> = {
  b: 1,
  k: 1_024,
  kb: 1_000,
  kib: 1_024,
  m: 1_048_576,
  mb: 1_000_000,
  mib: 1_048_576,
  g: 1_073_741_824,
  gb: 1_000_000_000,
  gib: 1_073_741_824,
};

/** Milliseconds of a duration; a bare number is seconds. Null when it is not one. */
export function parseDurationMs(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/.exec(text.trim());
  if (match === null) return null;
  const perUnit = MS_PER_UNIT[match[2] ?? "s"];
  return perUnit === undefined ? null : Math.round(Number(match[1]) * perUnit);
}

/** Bytes of a size; a bare number is bytes. Null when it is not one. */
export function parseSizeBytes(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]+)?$/.exec(text.trim().toLowerCase());
  if (match === null) return null;
  const perUnit = BYTES_PER_UNIT[match[2] ?? "b"];
  return perUnit === undefined ? null : Math.round(Number(match[1]) * perUnit);
}

/** The two largest units of a duration, for people: "3 h 5 m", "1.5 s", "40 ms". */
export function formatDurationMs(durationMs: number): string {
  if (durationMs < 1_000) return `${Math.round(durationMs)} ms`;
  if (durationMs < 60_000) return `${Number((durationMs / 1_000).toFixed(1))} s`;
  const names = ["d", "h", "m", "s"] as const;
  const parts: string[] = [];
  let rest = durationMs;
  for (const name of names) {
    const perUnit = MS_PER_UNIT[name] ?? 1;
    const count = Math.floor(rest / perUnit);
    rest -= count * perUnit;
    if (count > 0) parts.push(`${count} ${name}`);
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

/** A size for people: "512 B", "1.5 MiB". */
export function formatSizeBytes(sizeBytes: number): string {
  const names = ["B", "KiB", "MiB", "GiB", "TiB"] as const;
  let value = sizeBytes;
  let unit = 0;
  while (value >= 1_024 && unit < names.length - 1) {
    value /= 1_024;
    unit++;
  }
  return `${Number(value.toFixed(1))} ${names[unit]}`;
}
