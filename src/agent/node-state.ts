/**
 * What makes a state directory a node: its key, its network's genesis document and isolation key, and its grant.
 * The key is written last: a directory without it holds no node, however far a first start got.
 */

import { StateDirectory } from "../adapters/state/index.ts";
import { errorCodeOf, fromUtf8, MyceliumError, type NodeId, utf8 } from "../base/index.ts";
import {
  decodeNetwork,
  isolationKeyHash,
  KEY_SIZE_BYTES,
  type Network,
  type NodeKey,
  nodeKeyFromSeed,
  verifyGrant,
} from "../domain/identity/index.ts";

const KEY_FILE = "node.key";
const GENESIS_FILE = "genesis.cbor";
const ISOLATION_FILE = "isolation.key";
const GRANT_FILE = "grant.cbor";
/** Members and their addresses as last known: where a start looks first. */
export const MEMBERS_FILE = "members.cbor";

/** Which life of its replicas this is; not there in the first. */
export const REPLICA_FILE = "replica.life";

/** Says why this node must not go on as the replicas it was; there until it is those of its next life. */
export const FORGOTTEN_FILE = "replica.forgotten";

/** Everything a node's state consists of: what `leave --wipe` and a failed first start remove. */
export const NODE_FILES = [
  KEY_FILE,
  GENESIS_FILE,
  ISOLATION_FILE,
  GRANT_FILE,
  MEMBERS_FILE,
  REPLICA_FILE,
  FORGOTTEN_FILE,
  "spores.cbor",
  "log",
] as const;

export interface NodeState {
  readonly key: NodeKey;
  readonly network: Network;
  readonly isolationKey: Uint8Array;
  /** The encoded grant chain that proves this node's membership to any other. */
  readonly grant: Uint8Array;
}

export function holdsNode(directory: StateDirectory): boolean {
  return directory.read(KEY_FILE) !== null;
}

/** Whether an agent runs in this directory, or has not yet ended there. */
export function isStateHeld(path: string): boolean {
  return StateDirectory.isHeld(path);
}

export function saveNodeState(directory: StateDirectory, state: NodeState): void {
  directory.write(GENESIS_FILE, state.network.encoded);
  directory.write(ISOLATION_FILE, state.isolationKey);
  directory.write(GRANT_FILE, state.grant);
  directory.write(KEY_FILE, state.key.seed);
}

/** Throws STATE_MISSING where no node lives, STATE_CORRUPT where its files do not belong together. */
export function loadNodeState(directory: StateDirectory, nowMs: number): NodeState {
  const seed = directory.read(KEY_FILE);
  if (seed === null) {
    throw new MyceliumError(
      "STATE_MISSING",
      `Cannot run: no node lives in ${directory.path}; make a network with \`mycelium init\`, or join one with ` +
        "`mycelium join TOKEN`",
    );
  }
  const key = nodeKeyFromSeed(sized(directory, KEY_FILE, seed));
  const network = decodeNetwork(required(directory, GENESIS_FILE));
  const isolationKey = sized(directory, ISOLATION_FILE, required(directory, ISOLATION_FILE));
  if (Buffer.compare(isolationKeyHash(isolationKey), network.genesis.isolationKeyHash) !== 0) {
    throw corrupt(directory, `${ISOLATION_FILE} is not this network's key`);
  }
  const grant = required(directory, GRANT_FILE);
  const verdict = verifyGrant(grant, network, nowMs);
  if (!verdict.ok) throw corrupt(directory, `${GRANT_FILE}: ${verdict.reason}`);
  if (verdict.grant.member !== key.nodeId) throw foreignGrant(directory, verdict.grant.member);
  return { key, network, isolationKey, grant };
}

/** Which life of this node's replicas this is: 0 until a log was lost. */
export function replicaLifeOf(directory: StateDirectory): number {
  const content = directory.read(REPLICA_FILE);
  if (content === null) return 0;
  const text = Buffer.from(content).toString("latin1").trim();
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new MyceliumError(
    "STATE_CORRUPT",
    `Cannot run: ${directory.file(REPLICA_FILE)} holds no number; restore the directory, or remove this node from ` +
      "the network and let it join anew from an empty one",
  );
}

/**
 * Notes that this node must not go on as the replicas it was; durable when it returns. On a full disk without the reason:
 * a file without content needs no room.
 */
export function noteForgotten(directory: StateDirectory, reason: string): void {
  try {
    directory.write(FORGOTTEN_FILE, utf8(reason));
  } catch (error) {
    if (errorCodeOf(error) !== "DISK_FULL") throw error;
    directory.write(FORGOTTEN_FILE, new Uint8Array(0));
  }
}

/** What was noted so; null when nothing was. */
export function forgottenReason(directory: StateDirectory): string | null {
  const content = directory.read(FORGOTTEN_FILE);
  if (content === null) return null;
  if (content.length > 0) return fromUtf8(content);
  return (
    "Cannot go on as the replicas that this node was: others have promises of theirs of which this state directory " +
    "knows nothing; it was put back from an older copy. It begins anew as an empty replica; nothing is to be done"
  );
}

function required(directory: StateDirectory, name: string): Uint8Array {
  const content = directory.read(name);
  if (content === null) throw corrupt(directory, `${name} is missing`);
  return content;
}

function sized(directory: StateDirectory, name: string, content: Uint8Array): Uint8Array {
  if (content.length === KEY_SIZE_BYTES) return content;
  throw corrupt(directory, `${name} has ${content.length} bytes, needed ${KEY_SIZE_BYTES}`);
}

function foreignGrant(directory: StateDirectory, member: NodeId): MyceliumError {
  return corrupt(directory, `${GRANT_FILE} is for ${member}, not for this node`);
}

function corrupt(directory: StateDirectory, found: string): MyceliumError {
  return new MyceliumError(
    "STATE_CORRUPT",
    `Cannot use the node in ${directory.path}: found ${found}; restore the directory from a backup, or delete it ` +
      "and join anew",
  );
}
