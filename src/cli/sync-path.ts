/** Makes what was written to a file, or renamed within a directory, survive a power cut (fsync(2)). */

import { closeSync, fsyncSync, openSync } from "node:fs";

export function syncPath(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
