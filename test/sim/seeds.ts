/** Seeds that once failed, each with the bug it found; they run in every test run. */

export interface FoundBug {
  readonly seed: number;
  readonly bug: string;
}

export const FOUND_BUGS: readonly FoundBug[] = [];
