/**
 * A release: what one version of the program is on every architecture, as its signed metadata says. The network votes
 * on its digest, so two nodes that accepted the same release hold the same digest, whoever served it to them.
 *
 * In the release directory the files of a version are TUF targets named `VERSION/NAME`; `channels/CHANNEL.json` says
 * which version a channel is at. With consistent snapshots a target's file carries its SHA-256 before its last part:
 * `targets/0.2.0/<sha256>.mycelium-linux-x64`.
 */

import { createHash } from "node:crypto";
import { canonicalJson } from "./canonical-json.ts";

/** Of what the core keeps on disk. Raised when a version can no longer run on what the one before it wrote. */
export const STATE_FORMAT = 1;

export const ARCHITECTURES = ["x64", "arm64"] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

export const CHANNELS = ["stable", "edge"] as const;
export type Channel = (typeof CHANNELS)[number];

/** One version on one architecture. Hashes are SHA-256 in lower-case hexadecimal. */
export interface ReleaseTarget {
  readonly version: string;
  readonly arch: Architecture;
  /** The uncompressed core. */
  readonly coreSha256: string;
  readonly coreSizeBytes: number;
  /** The shipped file: launcher, compressed core, trailer. */
  readonly shippedSha256: string;
  readonly shippedSizeBytes: number;
  readonly stateFormat: number;
  /** The link protocol it speaks, and the oldest it still understands. */
  readonly protocol: number;
  readonly minProtocol: number;
  readonly sqlite: string;
  readonly builtAtMs: number;
}

export interface Release {
  readonly version: string;
  readonly channel: Channel;
  /** One line for people; may be empty. */
  readonly notes: string;
  /** At most one for each architecture. */
  readonly targets: readonly ReleaseTarget[];
  /** `releaseDigest(targets)`. */
  readonly digest: string;
}

/** What is voted on: SHA-256 over the canonical JSON of the targets, in the order of their architectures' names. */
export function releaseDigest(targets: readonly ReleaseTarget[]): string {
  const rows = targets
    .map((target) => ({
      arch: target.arch,
      builtAt: target.builtAtMs,
      coreSha256: target.coreSha256,
      coreSize: target.coreSizeBytes,
      minProtocol: target.minProtocol,
      protocol: target.protocol,
      shippedSha256: target.shippedSha256,
      shippedSize: target.shippedSizeBytes,
      sqlite: target.sqlite,
      stateFormat: target.stateFormat,
      version: target.version,
    }))
    .sort((a, b) => (a.arch < b.arch ? -1 : a.arch > b.arch ? 1 : 0));
  return createHash("sha256").update(canonicalJson(rows)).digest("hex");
}

/** The TUF target paths of one version on one architecture. */
export interface TargetNames {
  readonly shipped: string;
  readonly chunks: string;
  readonly pack: string;
}

export function targetNames(version: string, arch: Architecture): TargetNames {
  return {
    shipped: `${version}/mycelium-linux-${arch}`,
    chunks: `${version}/core-linux-${arch}.chunks`,
    pack: `${version}/core-linux-${arch}.pack`,
  };
}

/** The version whose shipped file a TUF target is; null for all others. */
export function versionOfTarget(name: string): string | null {
  const [version = "", ...rest] = name.split("/");
  return ARCHITECTURES.some((arch) => rest.join("/") === `mycelium-linux-${arch}`) ? version : null;
}

export function channelTargetName(channel: Channel): string {
  return `channels/${channel}.json`;
}
