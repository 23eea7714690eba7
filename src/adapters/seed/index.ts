export { FileSeed, type FileSeedOptions } from "./file-seed.ts";
export { seedStorageOf } from "./seed-storage-of.ts";
export { UrlSeed, type UrlSeedOptions } from "./url-seed.ts";
