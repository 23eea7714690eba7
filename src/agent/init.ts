/** Makes a network and its first node, in a state directory that holds none. */

import { randomBytes } from "node:crypto";
import { SegmentLogStore } from "../adapters/log/index.ts";
import { StateDirectory } from "../adapters/state/index.ts";
import {
  fromHex,
  MyceliumError,
  type NetworkId,
  type NodeId,
  present,
  toHex,
} from "../base/index.ts";
import type { Config } from "../domain/config/index.ts";
import {
  createNetwork,
  encodeGrantChain,
  genesisGrantChain,
  isolationKeyHash,
  type Network,
  type NodeKey,
  nodeKeyFromSeed,
} from "../domain/identity/index.ts";
import { voteWeight } from "../domain/trust/index.ts";
import { createFirstGroups } from "./groups.ts";
import { JOINING_FILE } from "./joining-key.ts";
import { holdsNode, NODE_FILES, saveNodeState } from "./node-state.ts";

/** Least share of the weight for decisions among the distrustful; the Byzantine bound may ask for more. */
const DECISION_THRESHOLD_PERCENT = 50;
const COMPATIBILITY_VERSION = "1.0.0";

export interface MadeNetwork {
  readonly nodeId: NodeId;
  readonly networkId: NetworkId;
}

/** Throws ALREADY_MEMBER where a node lives already, and what opening the state directory throws. */
export async function initNetwork(config: Config, options: { name: string }): Promise<MadeNetwork> {
  return inNewNode(config, "init", async (directory) => {
    const key = newNodeKey(config);
    const isolationKey = new Uint8Array(randomBytes(32));
    const network = newNetwork(options.name, key, isolationKey);
    await withLog(directory, (log) =>
      createFirstGroups(log, key.nodeId, voteWeight(0, config.validatorWeight)),
    );
    const grant = encodeGrantChain(genesisGrantChain(key.nodeId));
    saveNodeState(directory, { key, network, isolationKey, grant });
    return { nodeId: key.nodeId, networkId: network.id };
  });
}

/** Runs `make` on the locked directory; when it fails, nothing of a node is left behind but a key that may be a member. */
export async function inNewNode<T>(
  config: Config,
  command: string,
  make: (directory: StateDirectory) => Promise<T>,
): Promise<T> {
  const directory = StateDirectory.open(config.state, { create: true });
  try {
    if (holdsNode(directory)) {
      throw new MyceliumError(
        "ALREADY_MEMBER",
        `Cannot ${command}: ${config.state} holds a node of a network already; choose another directory with ` +
          "--state, or leave that network first with `mycelium leave --wipe`",
      );
    }
    try {
      removeNode(directory);
      return await make(directory);
    } catch (error) {
      removeNode(directory);
      if (!directory.has(JOINING_FILE)) directory.discard();
      throw error;
    }
  } finally {
    directory.close();
  }
}

export function removeNode(directory: StateDirectory): void {
  for (const name of NODE_FILES) directory.remove(name);
}

export async function withLog<T>(
  directory: StateDirectory,
  use: (log: SegmentLogStore) => Promise<T>,
): Promise<T> {
  const log = new SegmentLogStore({ directory: directory.file("log") });
  await log.open();
  try {
    return await use(log);
  } finally {
    await log.close();
  }
}

/** PRIVATE_KEY if it is set, else a fresh key. Throws BAD_CONFIG when PUBLIC_KEY names another. */
export function newNodeKey(config: Config): NodeKey {
  const seed =
    config.privateKey === null
      ? new Uint8Array(randomBytes(32))
      : present(fromHex(config.privateKey), "a checked key");
  const key = nodeKeyFromSeed(seed);
  if (config.publicKey !== null && config.publicKey !== toHex(key.publicKey)) {
    throw new MyceliumError(
      "BAD_CONFIG",
      `Cannot make a node: PUBLIC_KEY is ${config.publicKey}, but the key is ${toHex(key.publicKey)}; leave ` +
        "PUBLIC_KEY out, or set the PRIVATE_KEY that belongs to it",
    );
  }
  return key;
}

function newNetwork(name: string, key: NodeKey, isolationKey: Uint8Array): Network {
  return createNetwork(
    {
      name,
      timeMs: Date.now(),
      nodes: [{ id: key.nodeId, class: "sclerotium", role: "validator" }],
      tier0Keys: [key.publicKey],
      tier0Threshold: 1,
      isolationLevel: "strict",
      isolationKeyHash: isolationKeyHash(isolationKey),
      compatibilityVersion: COMPATIBILITY_VERSION,
      decisionThresholdPercent: DECISION_THRESHOLD_PERCENT,
      nodeCountMax: null,
    },
    [key],
  );
}
