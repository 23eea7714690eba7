/** The peer protocol's version and features, and what two nodes that meet can agree on. */

import { MyceliumError } from "../../base/index.ts";

export const PROTOCOL_VERSION = "1.0.0";
/** The oldest version this one still speaks. */
export const MIN_PROTOCOL_VERSION = "1.0.0";

/** Every feature with a name. A node announces those it has; the common set is used on a link. */
type FeatureName =
  | "sharding"
  | "replication"
  | "consensus"
  | "encryption"
  | "metadata-sync"
  | "auto-scaling"
  | "load-balancing"
  | "failover"
  | "leader-election"
  | "conflict-resolution";

/** What this version can do. */
export const OWN_FEATURES: readonly FeatureName[] = [
  "replication",
  "consensus",
  "encryption",
  "metadata-sync",
  "failover",
  "leader-election",
];

export interface ProtocolOffer {
  /** "major.minor.patch". */
  readonly protocolVersion: string;
  readonly minProtocolVersion: string;
  readonly features: readonly string[];
  /** Release of the software; empty where it is not told. */
  readonly release: string;
}

interface ProtocolAgreement {
  /** The lower of both versions. */
  readonly protocolVersion: string;
  /** The features both have, in our order. */
  readonly features: readonly string[];
}

/** Throws VERSION_UNSUPPORTED when the two have no version or no feature in common, or their releases are too far apart. */
export function agreeOnProtocol(own: ProtocolOffer, peer: ProtocolOffer): ProtocolAgreement {
  const apart = releasesApart(own.release, peer.release);
  if (apart !== null) throw unsupported(apart);
  const ownVersion = parseVersion(own.protocolVersion);
  const peerVersion = parseVersion(peer.protocolVersion);
  if (compareVersions(peerVersion, parseVersion(own.minProtocolVersion)) < 0) {
    throw unsupported(
      `the peer speaks protocol ${peer.protocolVersion}, this node needs at least ` +
        `${own.minProtocolVersion}; update the peer`,
    );
  }
  if (compareVersions(ownVersion, parseVersion(peer.minProtocolVersion)) < 0) {
    throw unsupported(
      `this node speaks protocol ${own.protocolVersion}, the peer needs at least ` +
        `${peer.minProtocolVersion}; update this node`,
    );
  }
  const features = own.features.filter((feature) => peer.features.includes(feature));
  if (features.length === 0) {
    throw unsupported("the two nodes have no feature in common; run the same version on both");
  }
  const lower = compareVersions(ownVersion, peerVersion) <= 0 ? own : peer;
  return { protocolVersion: lower.protocolVersion, features };
}

/**
 * Why two releases do not run together: they are more than one minor version apart. Null when they do, or when one is
 * not of the form major.minor.patch: what nobody released is for its maker to judge. The same words for both sides.
 */
export function releasesApart(a: string, b: string): string | null {
  const [left, right] = [triple(a), triple(b)];
  if (left === null || right === null) return null;
  if (left[0] === right[0] && Math.abs(left[1] - right[1]) <= 1) return null;
  const [older, newer] = compareVersions(left, right) < 0 ? [a, b] : [b, a];
  return (
    `one of the two nodes runs Mycelium ${older}, the other ${newer}; they run together when they are one minor ` +
    `version apart at most; update the node with ${older}, one minor version after the other`
  );
}

type Version = readonly [number, number, number];

function parseVersion(text: string): Version {
  const version = triple(text);
  if (version === null) throw unsupported("a version is not of the form major.minor.patch");
  return version;
}

function triple(text: string): Version | null {
  const match = /^(\d{1,6})\.(\d{1,6})\.(\d{1,6})$/.exec(text);
  return match === null ? null : [Number(match[1]), Number(match[2]), Number(match[3])];
}

function compareVersions(a: Version, b: Version): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

function unsupported(reason: string): MyceliumError {
  return new MyceliumError("VERSION_UNSUPPORTED", `Cannot link: ${reason}`);
}
