/** What this node tells others about itself: where it can be reached, and what it runs. */

import { networkInterfaces } from "node:os";
import type { Config } from "../domain/config/index.ts";
import type { Announcement } from "../runtime/membership/index.ts";

/** Addresses of one kind in an announcement; a machine with more interfaces names the first. */
const ADDRESS_COUNT_MAX = 8;

export interface Ports {
  readonly http: number;
  readonly p2p: number;
  /** Null when this node takes no part in gossip. */
  readonly gossip: number | null;
}

export const NOTHING_ANNOUNCED: Announcement = {
  addresses: [],
  apiAddresses: [],
  multiaddrs: [],
  validatorWeight: 1,
  version: "",
};

/** Hosts at which others reach this node: ADVERTISE, else HOST if it is one address, else those of the interfaces. */
export function reachableHosts(config: Config): readonly string[] {
  if (config.advertise.length > 0) return config.advertise.slice(0, ADDRESS_COUNT_MAX);
  const any = config.host === "0.0.0.0" || config.host === "::";
  if (!any) return [config.host];
  const found = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith("fe80:"))
    .filter(({ family }) => config.host === "::" || family === "IPv4")
    .map(({ address }) => address);
  // A machine without a network still reaches itself: several nodes on it find each other.
  return found.length === 0 ? ["127.0.0.1"] : found.slice(0, ADDRESS_COUNT_MAX);
}

export function announcementOf(config: Config, ports: Ports, version: string): Announcement {
  const hosts = reachableHosts(config);
  return {
    addresses: hosts.map((host) => endpoint(host, ports.p2p)),
    apiAddresses: hosts.map((host) => endpoint(host, ports.http)),
    multiaddrs:
      ports.gossip === null ? [] : hosts.map((host) => multiaddr(host, ports.gossip ?? 0)),
    validatorWeight: config.validatorWeight,
    version,
  };
}

export function endpoint(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function multiaddr(host: string, port: number): string {
  if (host.includes(":")) return `/ip6/${host}/tcp/${port}`;
  return /^[0-9.]+$/.test(host) ? `/ip4/${host}/tcp/${port}` : `/dns/${host}/tcp/${port}`;
}
