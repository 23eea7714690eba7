export {
  CHUNK_INDEX_SIZE_MAX,
  type Chunk,
  type ChunkIndex,
  decodeChunkIndex,
  encodeChunkIndex,
  packSizeBytes,
} from "./chunk-index.ts";
export { CHUNK_SIZE_MAX, chunkSizeAt, chunksOf } from "./chunker.ts";
