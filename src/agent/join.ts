/** Makes this state directory a node of another's network: asks the token's addresses in turn, keeps nothing until one says yes. */

import { randomBytes } from "node:crypto";
import {
  asGroupId,
  type ErrorCode,
  errorCodeOf,
  MyceliumError,
  messageOf,
  type NetworkId,
  type NodeId,
} from "../base/index.ts";
import { errorAnswerShape, VERSION } from "../domain/api/index.ts";
import type { Config } from "../domain/config/index.ts";
import { decodeJoinToken } from "../domain/identity/index.ts";
import {
  buildEnrolRequest,
  ENROL_REPLY_SIZE_BYTES_MAX,
  type Enrolled,
  encodeMemberList,
  openEnrolReply,
  type PendingEnrolment,
} from "../runtime/membership/index.ts";
import { announcementOf } from "./announce.ts";
import { createEmptyGroups } from "./groups.ts";
import { inNewNode, newNodeKey, withLog } from "./init.ts";
import { MEMBERS_FILE, saveNodeState } from "./node-state.ts";

const ATTEMPT_TIMEOUT_MS = 15_000;
/** Refusals another address would not lift. */
const TEMPORARY = new Set<ErrorCode>([
  "UNREACHABLE",
  "TIMEOUT",
  "OVERLOADED",
  "NO_QUORUM",
  "NOT_LEADER",
  "CLOSED",
]);

export interface JoinedNetwork {
  readonly nodeId: NodeId;
  readonly networkId: NetworkId;
  readonly networkName: string;
}

/** Throws what is wrong with the token, what the network refuses, or UNREACHABLE. */
export async function joinNetwork(
  config: Config,
  options: { token: string },
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
    const key = newNodeKey(config);
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
    const enrolled = await enrol(pending);
    const { network, isolationKey, encodedGrant } = enrolled;
    await withLog(directory, (log) => createEmptyGroups(log, enrolled.groups.map(asGroupId)));
    directory.write(MEMBERS_FILE, encodeMemberList(enrolled.members));
    saveNodeState(directory, { key, network, isolationKey, grant: encodedGrant });
    return { nodeId: key.nodeId, networkId: network.id, networkName: network.genesis.name };
  });
}

async function enrol(pending: PendingEnrolment): Promise<Enrolled> {
  const failures: string[] = [];
  for (const address of pending.token.addresses) {
    try {
      return openEnrolReply(pending, await ask(address, pending.body), Date.now());
    } catch (error) {
      const code = errorCodeOf(error);
      if (code === undefined || !TEMPORARY.has(code)) throw error;
      failures.push(`${address}: ${messageOf(error)}`);
    }
  }
  throw new MyceliumError(
    "UNREACHABLE",
    `Cannot join: no node answered at any of the token's addresses (${failures.join("; ")}); check that they run ` +
      "and that this machine reaches them",
  );
}

async function ask(address: string, body: Uint8Array): Promise<Uint8Array> {
  let response: Response;
  try {
    response = await fetch(`http://${address}/enrol`, {
      method: "POST",
      body,
      redirect: "error",
      signal: AbortSignal.timeout(ATTEMPT_TIMEOUT_MS),
    });
  } catch (error) {
    throw new MyceliumError("UNREACHABLE", whyUnreachable(error), { cause: error });
  }
  const answer = await boundedBody(response);
  if (response.ok) return answer;
  throw refusalOf(address, response.status, answer);
}

/** In a person's words where the system has only a code. */
function whyUnreachable(error: unknown): string {
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  if (code === "ConnectionRefused" || code === "ECONNREFUSED") return "nothing listens there";
  if (name === "TimeoutError") return `no answer within ${ATTEMPT_TIMEOUT_MS / 1_000} s`;
  return messageOf(error);
}

async function boundedBody(response: Response): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const part of response.body ?? []) {
    sizeBytes += part.length;
    if (sizeBytes > ENROL_REPLY_SIZE_BYTES_MAX) {
      throw new MyceliumError(
        "TOO_LARGE",
        `Cannot join: the answer is over ${ENROL_REPLY_SIZE_BYTES_MAX} bytes`,
      );
    }
    parts.push(part);
  }
  return new Uint8Array(Buffer.concat(parts));
}

function refusalOf(address: string, status: number, answer: Uint8Array): MyceliumError {
  try {
    const { error } = errorAnswerShape(JSON.parse(new TextDecoder().decode(answer)), "the answer");
    return new MyceliumError(error.code as ErrorCode, error.message);
  } catch {
    return new MyceliumError(
      "UNREACHABLE",
      `what answers there is not a Mycelium node (HTTP ${status} from ${address})`,
    );
  }
}
