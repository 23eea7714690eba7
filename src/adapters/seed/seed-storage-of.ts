import type { SeedStorage } from "../../ports/index.ts";
import { FileSeed } from "./file-seed.ts";
import { UrlSeed } from "./url-seed.ts";

/** The storage behind one entry of the setting SEEDS: an https:// URL, else a path. Throws BAD_CONFIG. */
export function seedStorageOf(
  place: string,
  limits: { readonly sizeBytesMax: number; readonly timeoutMs: number },
): SeedStorage {
  const { sizeBytesMax, timeoutMs } = limits;
  return /^https?:\/\//.test(place)
    ? new UrlSeed({ url: place, sizeBytesMax, timeoutMs })
    : new FileSeed({ path: place, sizeBytesMax });
}
