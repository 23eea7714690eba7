export type { Batch, BatchContext, Bundle, Request, SignedBundle } from "./batch.ts";
export {
  CHECK_BYTES_MAX,
  checksTable,
  decodeBatch,
  encodeBatch,
  readBatchTimeMs,
} from "./batch-codec.ts";
export {
  BUNDLE_LIMITS,
  type BundleHead,
  decodeBundle,
  encodeBundle,
  readBundleHead,
} from "./bundle-codec.ts";
export { type BundlePart, requestsOfParts } from "./bundle-part.ts";
export { keptClockMs, RESULT_AGE_STEP_MS, RESULT_KEPT_MS } from "./kept-clock.ts";
export { readRequest, writeRequest } from "./request-codec.ts";
