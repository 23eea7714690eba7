/**
 * Where the nodes of a test cluster live: on loopback, or each in a network namespace of its own on one bridge, where
 * any link can be cut one way or both. A cut is silent, as a pulled cable is: frames go to an address nobody has.
 */

import { spawnSync } from "node:child_process";
import { freePorts } from "./processes.ts";

export interface Place {
  readonly host: string;
  readonly httpPort: number;
  readonly peerPort: number;
  readonly gossipPort: number;
  /** What a command is prefixed with to run there. */
  readonly enter: readonly string[];
}

export interface TestNetwork {
  readonly places: readonly Place[];
  /** Null where links cannot be cut. */
  readonly cuts: Cuts | null;
  close(): void;
}

export interface Cuts {
  /** What `from` sends to `to` is lost until `heal`. */
  cut(from: number, to: number): void;
  heal(): void;
}

export async function loopbackNetwork(nodeCount: number): Promise<TestNetwork> {
  const ports = await freePorts(nodeCount * 3);
  const places = Array.from({ length: nodeCount }, (_, i) => ({
    host: "127.0.0.1",
    httpPort: ports[3 * i] ?? 0,
    peerPort: ports[3 * i + 1] ?? 0,
    gossipPort: ports[3 * i + 2] ?? 0,
    enter: [],
  }));
  return { places, cuts: null, close: () => {} };
}

/** Why namespaces cannot be made here; null where they can. */
export function namespaceProblem(): string | null {
  if (process.getuid?.() !== 0) return "network namespaces need root";
  if (Bun.which("ip") === null || Bun.which("nsenter") === null) {
    return "the commands `ip` and `nsenter` are missing";
  }
  const name = `myct${process.pid}`;
  const made = spawnSync("ip", ["netns", "add", name]);
  if (made.status !== 0) return `a namespace cannot be made: ${made.stderr.toString().trim()}`;
  spawnSync("ip", ["netns", "del", name]);
  return null;
}

const NOBODY = "02:00:00:00:de:ad";

/** One namespace a node, one bridge, the first address of the subnet's end for clients. Throws on what `ip` refuses. */
export function namespaceNetwork(nodeCount: number): TestNetwork {
  const subnet = `10.213.${process.pid % 250}`;
  const bridge = `mycb${process.pid}`;
  const names = Array.from({ length: nodeCount }, (_, i) => `myc${process.pid}n${i}`);
  const host = (i: number) => `${subnet}.${i + 1}`;
  const close = () => {
    for (const name of names) spawnSync("ip", ["netns", "del", name]);
    spawnSync("ip", ["link", "del", bridge]);
  };
  process.once("exit", close);
  ip("link", "add", bridge, "type", "bridge");
  ip("addr", "add", `${subnet}.254/24`, "dev", bridge);
  ip("link", "set", bridge, "up");
  for (const [i, name] of names.entries())
    addNamespace(name, bridge, `mycv${process.pid}${i}`, host(i));
  const cut = (from: number, to: number) =>
    ip(
      "-n",
      names[from] ?? "",
      "neigh",
      "replace",
      host(to),
      "lladdr",
      NOBODY,
      "nud",
      "permanent",
      "dev",
      "eth0",
    );
  const heal = () => {
    for (const name of names) ip("-n", name, "neigh", "flush", "dev", "eth0", "nud", "permanent");
  };
  const places = names.map((name, i) => ({
    host: host(i),
    httpPort: 8080,
    peerPort: 9090,
    gossipPort: 9091,
    enter: ["nsenter", `--net=/var/run/netns/${name}`],
  }));
  return { places, cuts: { cut, heal }, close };
}

function addNamespace(name: string, bridge: string, link: string, address: string): void {
  ip("netns", "add", name);
  ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name);
  ip("link", "set", link, "master", bridge, "up");
  ip("-n", name, "addr", "add", `${address}/24`, "dev", "eth0");
  ip("-n", name, "link", "set", "lo", "up");
  ip("-n", name, "link", "set", "eth0", "up");
}

function ip(...args: string[]): void {
  const done = spawnSync("ip", args);
  if (done.status !== 0) throw new Error(`ip ${args.join(" ")}: ${done.stderr.toString().trim()}`);
}
