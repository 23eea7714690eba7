export { seedStorageOf } from "./seed-storage-of.ts";
