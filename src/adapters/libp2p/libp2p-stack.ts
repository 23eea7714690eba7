/**
 * The libp2p node itself: TCP, pre-shared key, noise, yamux, identify, gossipsub, mDNS. Imported on demand only: it
 * costs some 30 MB. What this runtime needs otherwise than by default is said at each option.
 */

import { createHmac } from "node:crypto";
import { type GossipSub, gossipsub } from "@chainsafe/libp2p-gossipsub";
import { noise } from "@chainsafe/libp2p-noise";
import { asCrypto, defaultCrypto } from "@chainsafe/libp2p-noise/crypto";
import { yamux } from "@chainsafe/libp2p-yamux";
import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import { type Identify, identify } from "@libp2p/identify";
import { mdns } from "@libp2p/mdns";
import { preSharedKey } from "@libp2p/pnet";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p, type Libp2p } from "libp2p";
import { asNodeId, toHex, utf8 } from "../../base/index.ts";
import { abortableTcp } from "./abortable-tcp.ts";
import {
  GOSSIP_LINK_COUNT_MAX,
  GOSSIP_MESSAGE_SIZE_BYTES_MAX,
  type GossipOptions,
} from "./gossip-options.ts";

export type GossipNode = Libp2p<{ identify: Identify; pubsub: GossipSub }>;
export { multiaddr };

/** Digits of the network id in the mDNS service tag, whose label has at most 63 characters. */
const TAG_DIGITS = 32;
const MDNS_INTERVAL_MS = 10_000;
const PING_INTERVAL_MS = 30_000;
/** pnet loses data of bulk transfers with windows over 4 MiB. */
const STREAM_WINDOW_SIZE_BYTES_MAX = 1_048_576;
const OUTBOUND_BUFFER_SIZE_BYTES_MAX = 4_194_304;
/** Peers a message is passed to at once: the mesh of each topic. */
const FAN_OUT = 3;
/** Records are published once a minute or so: looks at the mesh and at scores need not wake an idle node each second. */
const MESH_INTERVAL_MS = 5_000;
const SCORE_INTERVAL_MS = 10_000;
/** One rejected message weighs this much, squared with more; an hour's good conduct makes up for few. */
const REJECTED_WEIGHT = -10;
/** By 1 % each second. */
const REJECTED_DECAY = 0.99 ** (SCORE_INTERVAL_MS / 1_000);

export async function createGossipNode(
  options: GossipOptions,
  topics: readonly string[],
): Promise<GossipNode> {
  const { host, port } = options;
  const family = host.includes(":") ? "ip6" : "ip4";
  return createLibp2p<{ identify: Identify; pubsub: GossipSub }>({
    start: false,
    nodeInfo: { name: "mycelium", userAgent: "mycelium" },
    privateKey: await generateKeyPairFromSeed("Ed25519", options.key.seed),
    addresses: { listen: [`/${family}/${host}/tcp/${port}`] },
    transports: [abortableTcp()],
    connectionProtector: preSharedKey({ psk: swarmKey(options.isolationKey) }),
    connectionEncrypters: [noise({ crypto: NOISE_CRYPTO })],
    streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: STREAM_WINDOW_SIZE_BYTES_MAX } })],
    connectionManager: {
      maxConnections: GOSSIP_LINK_COUNT_MAX,
      // Several nodes may run on one machine.
      inboundConnectionThreshold: 64,
      maxIncomingPendingConnections: GOSSIP_LINK_COUNT_MAX,
    },
    connectionMonitor: { pingInterval: PING_INTERVAL_MS },
    connectionGater: {
      // By default private addresses are not dialled.
      denyDialMultiaddr: () => false,
      denyOutboundConnection: (peer) => !options.allows(asNodeId(peer.toString())),
      denyInboundEncryptedConnection: (peer) => !options.allows(asNodeId(peer.toString())),
    },
    peerDiscovery: options.mdns
      ? [mdns({ serviceTag: serviceTag(options.networkId), interval: MDNS_INTERVAL_MS })]
      : [],
    services: {
      identify: identify(),
      pubsub: gossipsub({
        D: FAN_OUT,
        Dlo: FAN_OUT - 1,
        Dhi: 2 * FAN_OUT,
        Dscore: 1,
        Dout: 1,
        heartbeatInterval: MESH_INTERVAL_MS,
        allowPublishToZeroTopicPeers: true,
        allowedTopics: [...topics],
        maxInboundDataLength: GOSSIP_MESSAGE_SIZE_BYTES_MAX,
        maxOutboundBufferSize: OUTBOUND_BUFFER_SIZE_BYTES_MAX,
        scoreParams: {
          decayInterval: SCORE_INTERVAL_MS,
          // Its default silences the peers of any address that more than ten share.
          IPColocationFactorWeight: 0,
          topics: Object.fromEntries(topics.map((topic) => [topic, TOPIC_SCORE])),
        },
      }),
    },
  });
}

/** Only what the handler rejects counts: a quiet topic is no misconduct. */
const TOPIC_SCORE = {
  topicWeight: 1,
  timeInMeshWeight: 0,
  timeInMeshQuantum: 1_000,
  timeInMeshCap: 1,
  firstMessageDeliveriesWeight: 0,
  firstMessageDeliveriesDecay: 0.5,
  firstMessageDeliveriesCap: 1,
  meshMessageDeliveriesWeight: 0,
  meshMessageDeliveriesDecay: 0.5,
  meshMessageDeliveriesCap: 1,
  meshMessageDeliveriesThreshold: 1,
  meshMessageDeliveriesWindow: 10,
  meshMessageDeliveriesActivation: 5_000,
  meshFailurePenaltyWeight: 0,
  meshFailurePenaltyDecay: 0.5,
  invalidMessageDeliveriesWeight: REJECTED_WEIGHT,
  invalidMessageDeliveriesDecay: REJECTED_DECAY,
} as const;

/** The default takes node:crypto's ChaCha20-Poly1305 from 1,200 bytes up, which this runtime lacks: WASM for all. */
const NOISE_CRYPTO = {
  ...defaultCrypto,
  chaCha20Poly1305Encrypt: asCrypto.chaCha20Poly1305Encrypt,
  chaCha20Poly1305Decrypt: asCrypto.chaCha20Poly1305Decrypt,
};

/** Two networks on one LAN do not hear each other: each has a service of its own. */
function serviceTag(networkId: string): string {
  return `_myc-${networkId.slice(0, TAG_DIGITS)}._udp.local`;
}

/** A key derived for this one use, in libp2p's file format for pre-shared keys. */
function swarmKey(isolationKey: Uint8Array): Uint8Array {
  const derived = createHmac("sha256", isolationKey).update("mycelium libp2p 1").digest();
  return utf8(`/key/swarm/psk/1.0.0/\n/base16/\n${toHex(derived)}`);
}
