/** Discovery and gossip as this node runs them: built from its parts, started when it already serves. */

import { randomInt } from "node:crypto";
import { existsSync, statfsSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { Libp2pGossip } from "../adapters/libp2p/index.ts";
import { seedStorageOf } from "../adapters/seed/index.ts";
import { errorCodeOf, messageOf, SeededRandom } from "../base/index.ts";
import { VERSION } from "../domain/api/index.ts";
import { type Capabilities, SEED_BYTES_MAX } from "../domain/spore/index.ts";
import { OWN_FEATURES } from "../domain/wire/index.ts";
import type { Gossip } from "../ports/index.ts";
import { Discovery } from "../runtime/discovery/index.ts";
import type { Announcement } from "../runtime/membership/index.ts";
import type { Core } from "./core.ts";
import { followsNobody, memberView, primaryOf } from "./discovery-views.ts";
import { SYSTEM } from "./groups.ts";

const SEED_TIMEOUT_MS = 10_000;
const RECORD_COUNT_MAX = 1_024;
const SPORES_FILE = "spores.cbor";

/** `announcement` is asked whenever this node describes itself. */
export function makeDiscovery(
  core: Core,
  port: number,
  announcement: () => Announcement,
): Discovery {
  const { config, directory, grant, host, links, state, transport } = core;
  const capabilities = capabilitiesOf(directory.path);
  return new Discovery({
    network: state.network,
    key: state.key,
    grant: state.grant,
    describe: () => {
      const { addresses, apiAddresses, multiaddrs } = announcement();
      return {
        class: grant.class,
        role: grant.role,
        addresses,
        apiAddresses,
        multiaddrs,
        softwareVersion: VERSION,
        protocolVersion: config.protocolVersion,
        minProtocolVersion: config.minProtocolVersion,
        features: OWN_FEATURES,
        capabilities,
      };
    },
    members: memberView(core),
    links: {
      linked: () =>
        transport
          .links()
          .map((link) => link.node)
          .filter((node) => links.isUp(node)),
      request: (to, method, payload, timeoutMs) =>
        transport.request(to, method, payload, timeoutMs),
    },
    group: SYSTEM,
    primary: () => primaryOf(core),
    followsNobody: () => followsNobody(core),
    gossip: config.gossip ? makeGossip(core, port) : null,
    seeds: config.seeds.map((place) =>
      seedStorageOf(place, { sizeBytesMax: SEED_BYTES_MAX, timeoutMs: SEED_TIMEOUT_MS }),
    ),
    cache: {
      read: async () => directory.read(SPORES_FILE),
      write: async (content) => directory.write(SPORES_FILE, content),
    },
    clock: host.clock,
    random: new SeededRandom(randomInt(2 ** 32 - 1)),
    logger: host.logger,
    metrics: host.metrics,
    peerCountMax: config.maxPeers,
    recordCountMax: RECORD_COUNT_MAX,
    onFatal: host.onFatal,
  });
}

/** Starts it; a gossip port that nobody asked for and somebody else has gives way to a free one. */
export async function startDiscovery(
  core: Core,
  announcement: () => Announcement,
): Promise<{ readonly discovery: Discovery; readonly port: number | null }> {
  const { config, host } = core;
  const wanted = makeDiscovery(core, config.gossipPort, announcement);
  try {
    return { discovery: wanted, port: await wanted.start() };
  } catch (error) {
    if (errorCodeOf(error) !== "PORT_TAKEN" || config.gossipPortIsSet) throw error;
    host.logger.warn("gossip port taken, a free one is used", { reason: messageOf(error) });
    await wanted.stop();
    const free = makeDiscovery(core, 0, announcement);
    return { discovery: free, port: await free.start() };
  }
}

function makeGossip(core: Core, port: number): Gossip {
  const { config, host, membership, state } = core;
  return new Libp2pGossip({
    key: state.key,
    networkId: state.network.id,
    isolationKey: state.isolationKey,
    host: config.host,
    port,
    mdns: config.mdns,
    allows: (node) => !membership.isRevoked(node),
    clock: host.clock,
    random: new SeededRandom(randomInt(2 ** 32 - 1)),
    logger: host.logger,
    metrics: host.metrics,
  });
}

function capabilitiesOf(directory: string): Capabilities {
  const { blocks, bsize } = statfsSync(directory);
  return {
    cpuCount: availableParallelism(),
    memoryBytes: totalmem(),
    diskBytes: blocks * bsize,
    arch: process.arch,
    kvm: existsSync("/dev/kvm"),
    bandwidthBitsPerSecond: null,
  };
}
