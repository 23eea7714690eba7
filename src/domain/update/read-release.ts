/**
 * A release out of its TUF targets: the channel file says which version, the custom fields of that version's shipped
 * files say what they are. All of it is signed; a publisher's mistake is still refused here, before anybody votes.
 */

import { fromUtf8, MyceliumError } from "../../base/index.ts";
import { integer, malformed, mapped, object, optional, type Shape, text } from "../wire/index.ts";
import {
  ARCHITECTURES,
  type Architecture,
  type Channel,
  type Release,
  type ReleaseTarget,
  releaseDigest,
  targetNames,
} from "./release.ts";
import type { TargetFile } from "./tuf-document.ts";
import { tufReasonOf, tufRefusal } from "./tuf-refusal.ts";

/** A channel file is a version and a line for people. */
export const CHANNEL_FILE_SIZE_MAX = 16_384;
/** Of what is shown. */
const NOTES_LENGTH_MAX = 200;

const version: Shape<string> = mapped(text(32), (found, path) => {
  if (isVersion(found)) return found;
  throw malformed(path, "a version", found);
});
const sha256: Shape<string> = mapped(text(64), (found, path) => {
  if (/^[0-9a-f]{64}$/.test(found)) return found;
  throw malformed(path, "64 lower-case hexadecimal digits", found);
});
const custom = object({
  version,
  arch: optional(text(16)),
  stateFormat: integer(1),
  protocol: integer(0),
  minProtocol: integer(0),
  coreSha256: sha256,
  coreSize: integer(1),
  sqlite: text(32),
  builtAt: integer(0),
});
const channelFile = object({ version, notes: optional(text(CHANNEL_FILE_SIZE_MAX)) });

/** Whether it can name a release: also safe as a part of a path. */
export function isVersion(text: string): boolean {
  return /^[0-9][0-9A-Za-z.+-]{0,31}$/.test(text);
}

export interface ChannelFile {
  readonly version: string;
  readonly notes: string;
}

/** Throws UPDATE_REFUSED (malformed). */
export function readChannelFile(name: string, bytes: Uint8Array): ChannelFile {
  return refusing(name, () => {
    const { version, notes = "" } = channelFile(JSON.parse(fromUtf8(bytes)), name);
    return { version, notes: (notes.split("\n")[0] ?? "").slice(0, NOTES_LENGTH_MAX) };
  });
}

/**
 * `find` looks a target up in verified metadata. Throws UPDATE_REFUSED: missing when there is no file of that version
 * for any architecture, target when a file is not what its name says, malformed when it does not say what it is.
 */
export function readRelease(
  { version, notes }: ChannelFile,
  channel: Channel,
  find: (name: string) => TargetFile | null,
): Release {
  const targets = ARCHITECTURES.flatMap((arch) => {
    const name = targetNames(version, arch).shipped;
    const file = find(name);
    return file === null ? [] : [readTarget(name, version, arch, file)];
  });
  if (targets.length === 0) {
    throw tufRefusal("missing", `the channel ${channel} is at ${version}, which has no files`, {
      version,
    });
  }
  const cores = new Set(targets.map(({ coreSha256 }) => coreSha256));
  if (cores.size !== targets.length) {
    throw tufRefusal("target", `two architectures of ${version} have the same core`, { version });
  }
  return { version, channel, notes, targets, digest: releaseDigest(targets) };
}

function readTarget(
  name: string,
  version: string,
  arch: Architecture,
  file: TargetFile,
): ReleaseTarget {
  const found = refusing(name, () => custom(file.custom, `${name}.custom`));
  if (found.version !== version || (found.arch ?? arch) !== arch) {
    const what = `${found.version} for ${found.arch ?? arch}`;
    throw tufRefusal("target", `${name} says it is ${what}; tell the publisher`, { file: name });
  }
  const shippedSha256 = file.hashes.sha256;
  if (shippedSha256 === undefined) {
    throw tufRefusal("target", `${name} has no SHA-256 in its metadata`, { file: name });
  }
  return {
    version,
    arch,
    coreSha256: found.coreSha256,
    coreSizeBytes: found.coreSize,
    shippedSha256,
    shippedSizeBytes: file.length,
    stateFormat: found.stateFormat,
    protocol: found.protocol,
    minProtocol: found.minProtocol,
    sqlite: found.sqlite,
    builtAtMs: found.builtAt,
  };
}

function refusing<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (tufReasonOf(error) !== undefined) throw error;
    const found = error instanceof MyceliumError ? error.message : "it is no JSON in UTF-8";
    throw tufRefusal("malformed", `${name} does not say what it is: ${found}`, { file: name });
  }
}
