/**
 * Makes this state directory a node of another's network. Nothing is kept unless the network says yes, but for the
 * key that asked while nobody knows whether it did.
 */

import { randomBytes } from "node:crypto";
import type { StateDirectory } from "../adapters/state/index.ts";
import {
  asGroupId,
  errorCodeOf,
  MyceliumError,
  type NetworkId,
  type NodeId,
} from "../base/index.ts";
import { VERSION } from "../domain/api/index.ts";
import type { Config } from "../domain/config/index.ts";
import { decodeJoinToken } from "../domain/identity/index.ts";
import { buildEnrolRequest, encodeMemberList } from "../runtime/membership/index.ts";
import { announcementOf } from "./announce.ts";
import { enrol } from "./enrol.ts";
import { createEmptyGroups } from "./groups.ts";
import { inNewNode, newNodeKey, withLog } from "./init.ts";
import { forgetJoiningKey, keepJoiningKey, readJoiningKey } from "./joining-key.ts";
import { MEMBERS_FILE, saveNodeState } from "./node-state.ts";

export interface JoinedNetwork {
  readonly nodeId: NodeId;
  readonly networkId: NetworkId;
  readonly networkName: string;
}

/** Throws what is wrong with the token, what the network refuses, or UNREACHABLE. */
export async function joinNetwork(
  config: Config,
  options: { readonly token: string; readonly roundPauseMs?: number },
): Promise<JoinedNetwork> {
  const token = decodeJoinToken(options.token, Date.now());
  const wanted = config.networkId === "testnet" ? null : config.networkId;
  if (wanted !== null && wanted !== token.networkId) {
    throw new MyceliumError(
      "WRONG_NETWORK",
      `Cannot join: the token is of network ${token.networkId}, but NETWORK_ID is ${wanted}; ` +
        "leave NETWORK_ID out, or take a token of that network",
    );
  }
  return inNewNode(config, "join", async (directory) => {
    const asked = config.privateKey === null ? readJoiningKey(directory, options.token) : null;
    const key = asked ?? newNodeKey(config);
    const gossip = config.gossip ? config.gossipPort : null;
    const ports = { http: config.port, p2p: config.p2pPort, gossip };
    const pending = buildEnrolRequest({
      token,
      key,
      announcement: announcementOf(config, ports, VERSION),
      protocolVersion: config.protocolVersion,
      minProtocolVersion: config.minProtocolVersion,
      wallMs: Date.now(),
      replySecret: new Uint8Array(randomBytes(32)),
    });
    const enrolled = await enrol(pending, {
      ...options,
      asking: () => keepJoiningKey(directory, options.token, key),
    }).catch((error: unknown) => {
      endJoining(directory, error);
      throw error;
    });
    const { network, isolationKey, encodedGrant } = enrolled;
    await withLog(directory, (log) => createEmptyGroups(log, enrolled.groups.map(asGroupId)));
    directory.write(MEMBERS_FILE, encodeMemberList(enrolled.members));
    saveNodeState(directory, { key, network, isolationKey, grant: encodedGrant });
    forgetJoiningKey(directory);
    return { nodeId: key.nodeId, networkId: network.id, networkName: network.genesis.name };
  });
}

/** The answer may yet come to the same key: it is kept for the next try with this token. */
function endJoining(directory: StateDirectory, error: unknown): void {
  if (errorCodeOf(error) !== "OUTCOME_UNKNOWN") forgetJoiningKey(directory);
}
