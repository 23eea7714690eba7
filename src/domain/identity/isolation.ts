/** The isolation key: 32 random bytes that open every connection of a network. Only its hash is public. */

import { createHash } from "node:crypto";
import { utf8 } from "../../base/index.ts";

/** SHA-256 under a tag of its own: what the genesis document holds of the key. */
export function isolationKeyHash(key: Uint8Array): Uint8Array {
  const hash = createHash("sha256").update(utf8("mycelium isolation key 1\0")).update(key);
  return new Uint8Array(hash.digest());
}
