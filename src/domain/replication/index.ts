export type { Batch, BatchContext, Bundle, Request, SignedBundle } from "./batch.ts";
