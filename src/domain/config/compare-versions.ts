/** Order of versions of three numbers. */

/** Negative, zero or positive; null when one of them is no such version. */
export function compareVersions(a: string, b: string): number | null {
  const [left, right] = [parse(a), parse(b)];
  if (left === null || right === null) return null;
  return left[0] - right[0] || left[1] - right[1] || left[2] - right[2];
}

function parse(version: string): readonly [number, number, number] | null {
  const match = /^(\d{1,5})\.(\d{1,5})\.(\d{1,5})$/.exec(version);
  return match === null ? null : [Number(match[1]), Number(match[2]), Number(match[3])];
}
