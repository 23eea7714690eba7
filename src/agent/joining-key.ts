/**
 * The key of a node that asks to join, kept with the hash of its token from before the first question until the answer
 * is in place: when the answer is lost, the network may have made this key a member. Asked again with it, the network
 * gives the same grant; asked with a fresh one, it would keep a member that never comes.
 */

import { createHash } from "node:crypto";
import type { StateDirectory } from "../adapters/state/index.ts";
import { concatBytes, equalBytes } from "../base/index.ts";
import { KEY_SIZE_BYTES, type NodeKey, nodeKeyFromSeed } from "../domain/identity/index.ts";

export const JOINING_FILE = "joining.key";

/** The key that asked with this token before; null when none did, or with another token. */
export function readJoiningKey(directory: StateDirectory, token: string): NodeKey | null {
  const content = directory.read(JOINING_FILE);
  const hash = hashOf(token);
  if (content === null || content.length !== KEY_SIZE_BYTES + hash.length) return null;
  if (!equalBytes(content.subarray(KEY_SIZE_BYTES), hash)) return null;
  return nodeKeyFromSeed(content.slice(0, KEY_SIZE_BYTES));
}

export function keepJoiningKey(directory: StateDirectory, token: string, key: NodeKey): void {
  directory.write(JOINING_FILE, concatBytes(key.seed, hashOf(token)));
}

export function forgetJoiningKey(directory: StateDirectory): void {
  directory.remove(JOINING_FILE);
}

function hashOf(token: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(token.trim()).digest());
}
