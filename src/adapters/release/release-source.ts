/** The release source that a node's settings ask for. */

import type { Channel } from "../../domain/update/index.ts";
import type { ReleaseSource } from "../../ports/index.ts";
import { DirectoryOrigin } from "./directory-origin.ts";
import { HttpOrigin } from "./http-origin.ts";
import type { Origin } from "./origin.ts";
import { StoreOrigin } from "./store-origin.ts";
import { TufReleaseSource } from "./tuf-release-source.ts";

export interface ReleaseSourceSettings {
  /** STATE/update. */
  readonly directory: string;
  readonly channel: Channel;
  /** root.json: the file of UPDATE_ROOT, else the one in the executable. */
  readonly trustedRoot: Uint8Array;
  readonly builtAtMs: number;
  /** UPDATE_URL: https://, http:// or file:// URL of the release directory, or its path; null for none. */
  readonly url: string | null;
  /** What another member put into the network's own store, by path; null where there is none. */
  readonly readFromNetwork: (path: string) => Promise<Uint8Array | null>;
}

/** The network's own store is asked first. Throws UPDATE_REFUSED (malformed, signatures) on a bad trusted root. */
export function releaseSource(settings: ReleaseSourceSettings): ReleaseSource {
  const { url, readFromNetwork, ...options } = settings;
  const origins: Origin[] = [new StoreOrigin(readFromNetwork)];
  if (url !== null) origins.push(originOf(url));
  return new TufReleaseSource({ ...options, origins });
}

function originOf(url: string): Origin {
  if (/^https?:\/\//.test(url)) return new HttpOrigin(url);
  return new DirectoryOrigin(url.startsWith("file://") ? Bun.fileURLToPath(url) : url);
}
