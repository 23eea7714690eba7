/**
 * What a joiner says when it redeems a token: which network, who it is, the ephemeral key for the reply, what it
 * speaks and what time it has. Signed by the token's key (it holds the token) and by its node key (it is that node).
 */

import type { NetworkId, NodeId } from "../../base/index.ts";
import { decodeCbor, object, type Shape } from "../wire/index.ts";
import { deterministicCbor } from "./deterministic-cbor.ts";
import {
  keyShape,
  networkIdShape,
  nodeIdShape,
  type SignedPart,
  tagged,
  timeShape,
  versionShape,
} from "./fields.ts";
import { type NodeKey, sign, verify } from "./keys.ts";

export interface JoinStatement {
  readonly networkId: NetworkId;
  readonly nodeId: NodeId;
  /** X25519 public key, made for this attempt. */
  readonly replyKey: Uint8Array;
  readonly protocolVersion: string;
  /** The joiner's clock, Unix milliseconds. */
  readonly wallMs: number;
}

const PURPOSE = "join";

const joinShape: Shape<JoinStatement> = object({
  networkId: networkIdShape,
  nodeId: nodeIdShape,
  replyKey: keyShape,
  protocolVersion: versionShape,
  wallMs: timeShape,
});

export function encodeJoinStatement(statement: JoinStatement): Uint8Array {
  return deterministicCbor({ ...statement });
}

/** Throws MALFORMED. Bound the size before. */
export function decodeJoinStatement(payload: Uint8Array): JoinStatement {
  return joinShape(decodeCbor(payload), "join");
}

export function signJoinStatement(key: NodeKey, payload: Uint8Array): Uint8Array {
  return sign(key, tagged(PURPOSE, payload));
}

export function joinStatementSignedBy(part: SignedPart, publicKey: Uint8Array): boolean {
  return verify(publicKey, tagged(PURPOSE, part.payload), part.signature);
}
