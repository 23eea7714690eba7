/** For tests of databases: requests as the parts of a bundle. */

import { asGroupId, asNodeId } from "../../../base/index.ts";
import type { Request } from "../batch.ts";
import { encodeBundle } from "../bundle-codec.ts";
import type { BundlePart } from "../bundle-part.ts";

export function partsOf(...requests: readonly Request[]): BundlePart[] {
  const author = asNodeId("author");
  const shard = asGroupId("main");
  return [{ payload: encodeBundle({ author, shard, hybridTimeMs: 1, requests }), positions: null }];
}
