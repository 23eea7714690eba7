/** Where this node's releases come from, by its settings; null where it trusts no publisher. */

import { releaseSource } from "../adapters/release/index.ts";
import { MyceliumError, messageOf, utf8 } from "../base/index.ts";
import { BUILT_AT_MS, TRUSTED_ROOT } from "../domain/api/index.ts";
import type { ReleaseSource } from "../ports/index.ts";
import type { Core } from "./core.ts";

/** What another member put into the network's own store, by its path in the release directory. */
export type ReadFromNetwork = (path: string) => Promise<Uint8Array | null>;

/** A root that cannot be used is logged, and leaves the node without updates: it serves as before. */
export function openReleases(core: Core, readFromNetwork: ReadFromNetwork): ReleaseSource | null {
  const { config, directory, host } = core;
  try {
    const trustedRoot = readTrustedRoot(core);
    if (trustedRoot === null) return null;
    return releaseSource({
      directory: directory.file("update"),
      channel: config.updateChannel,
      trustedRoot,
      builtAtMs: BUILT_AT_MS,
      url: config.updateUrl,
      readFromNetwork,
    });
  } catch (error) {
    if (!(error instanceof MyceliumError)) throw error;
    host.logger.error("updates are off: the trusted root cannot be used", {
      reason: messageOf(error),
    });
    return null;
  }
}

/** The file of UPDATE_ROOT, else the root that this build carries. */
function readTrustedRoot({ config, directory }: Core): Uint8Array | null {
  const { updateRoot } = config;
  if (updateRoot === null) return TRUSTED_ROOT === null ? null : utf8(TRUSTED_ROOT);
  const content = directory.read(updateRoot);
  if (content !== null) return content;
  throw new MyceliumError(
    "BAD_CONFIG",
    `Cannot read UPDATE_ROOT: there is no file ${directory.file(updateRoot)}`,
  );
}
