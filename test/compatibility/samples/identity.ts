/** Who is who: the network's genesis document, grants, tokens, node records and what proves who leads. */

import { fromUtf8, utf8 } from "../../../src/base/index.ts";
import {
  boxPublicKey,
  createSqlToken,
  decodeGrantChain,
  decodeGrantStatement,
  decodeJoinStatement,
  decodeJoinToken,
  decodeNetwork,
  decodeSs58,
  encodeGrantChain,
  encodeJoinStatement,
  encodeJoinToken,
  encodeSs58,
  type GrantStatement,
  openBox,
  sealBox,
  signGrantStatement,
  signJoinStatement,
  verifyGrant,
  verifySqlToken,
} from "../../../src/domain/identity/index.ts";
import type { Sample } from "../sample.ts";
import { filled, joiner, leader, NOW_MS, network, tokenKey } from "./world.ts";

const DAY_MS = 86_400_000;
const JOIN = {
  networkId: network.id,
  nodeId: joiner.nodeId,
  replyKey: boxPublicKey(filled(32, 21)),
  protocolVersion: "1.0.0",
  wallMs: NOW_MS,
};
const VOUCHER: GrantStatement = {
  networkId: network.id,
  subject: tokenKey.publicKey,
  class: "sclerotium",
  role: "validator",
  tier: 1,
  serial: "serial-1",
  issuedAtMs: NOW_MS,
  expiresAtMs: null,
  redeemByMs: NOW_MS + DAY_MS,
  sponsor: leader.nodeId,
};
const JOIN_TOKEN = {
  networkId: network.id,
  addresses: ["10.0.0.1:8080", "[fd00::1]:8080"],
  seed: tokenKey.seed,
  expiresAtMs: NOW_MS + DAY_MS,
  class: "sclerotium",
  role: "validator",
} as const;

/** A joiner's grant: the token's voucher, and the token's word for who redeemed it. */
export function joinersChain(): Uint8Array {
  const payload = encodeJoinStatement(JOIN);
  const redemption = { payload, signature: signJoinStatement(tokenKey, payload) };
  const statement = signGrantStatement(leader, VOUCHER);
  return encodeGrantChain({ member: joiner.nodeId, links: [{ statement, redemption }] });
}

function judged(encoded: Uint8Array): unknown {
  const chain = decodeGrantChain(encoded);
  return { chain, verdict: verifyGrant(encoded, network, NOW_MS) };
}

export const identitySamples: readonly Sample[] = [
  {
    name: "genesis document",
    form: "cbor",
    writers: ["domain/identity/genesis.ts createNetwork"],
    write: () => network.encoded,
    read: (bytes) => {
      const { id, genesis } = decodeNetwork(bytes);
      return { id, genesis };
    },
  },
  {
    name: "grant statement",
    form: "cbor",
    writers: ["domain/identity/grant.ts signGrantStatement"],
    write: () => signGrantStatement(leader, VOUCHER).payload,
    read: decodeGrantStatement,
  },
  {
    name: "grant chain of a node that joined",
    form: "cbor",
    writers: [
      "domain/identity/grant.ts encodeGrantChain",
      "domain/identity/join-statement.ts signJoinStatement",
    ],
    write: joinersChain,
    read: judged,
  },
  {
    name: "join statement",
    form: "cbor",
    writers: ["domain/identity/join-statement.ts encodeJoinStatement"],
    write: () => encodeJoinStatement(JOIN),
    read: decodeJoinStatement,
  },
  {
    name: "join token",
    form: "other",
    writers: ["domain/identity/join-token.ts encodeJoinToken"],
    write: () => utf8(encodeJoinToken(JOIN_TOKEN)),
    read: (bytes) => decodeJoinToken(fromUtf8(bytes), NOW_MS),
  },
  ...([null, NOW_MS + DAY_MS] as const).map(
    (expiresAtMs): Sample => ({
      name: expiresAtMs === null ? "sql token" : "sql token that expires",
      form: "other",
      writers: ["domain/identity/sql-token.ts createSqlToken"],
      write: () => {
        const mode = expiresAtMs === null ? "rw" : "ro";
        const claims = { networkId: network.id, mode, nowMs: NOW_MS, expiresAtMs } as const;
        return utf8(createSqlToken(leader, claims));
      },
      read: (bytes) =>
        verifySqlToken(fromUtf8(bytes), {
          networkId: network.id,
          isValidator: (node) => node === leader.nodeId,
          nowMs: NOW_MS,
        }),
    }),
  ),
  {
    name: "sealed box",
    form: "other",
    writers: ["domain/identity/sealed-box.ts sealBox"],
    write: () => {
      const box = sealBox(boxPublicKey(filled(32, 21)), filled(32, 22), "enrol", utf8("content"));
      if (box === null) throw new Error("the recipient's key is usable");
      return box;
    },
    read: (bytes) => openBox(filled(32, 21), "enrol", bytes),
  },
  {
    name: "SS58 address",
    form: "other",
    writers: ["domain/identity/ss58.ts encodeSs58"],
    write: () => utf8(encodeSs58({ prefix: 42, account: leader.publicKey })),
    read: (bytes) => decodeSs58(fromUtf8(bytes)),
  },
];
